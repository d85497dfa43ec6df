"""Stored runs: open one at any epoch, put two side by side, free space, delete."""

from pages.parts import library

library.draw()
