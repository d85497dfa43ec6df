"""What a page is given to draw: figures, words and one byte a cell, made from results and tested without a browser.

May import everything that computes; nothing here computes what a result does not hold.
"""
