"""Stored runs: open one at any epoch, put two side by side, free space, delete."""

from pages.parts import library, link, sidebar

link.put(sidebar.in_link())
library.draw()
