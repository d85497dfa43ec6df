"""The paper's claims, made testable: what is measured on stored networks, and the verdict by its rule.

May import the atlas, sweeps, the store and what lies below them; nothing of the Judge, of views, of jobs.
"""
