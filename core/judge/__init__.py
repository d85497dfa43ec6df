"""The claims over seeds: the questions, the rows of runs that answer them, and sets of one's own.

May import claims and what lies below them; nothing of views or jobs.
"""
