"""Stored runs: open one at any epoch, put two side by side, free space, delete."""

from pages.shared import library, link
from pages.watch import sidebar

link.tell(sidebar.in_link())
link.put(sidebar.in_link())
library.draw()
