"""The engine: data, networks, pruning, training, what is stored and what is read off it. It knows nothing of pages."""

from core import arithmetic

arithmetic.choose()  # before anything here loads a library that computes
