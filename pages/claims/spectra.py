"""Does activation-based pruning lead to low rank? The singular values of a run through its life, and through all its cuts."""

from pages.claims import histories
from pages.shared import claims, services

claims.title(
    "Pruning makes the layers' weight matrices low-rank",
    "A layer with fewer living neurons has lower rank whichever neurons went. So: is the rank lower than the number of living "
    "neurons explains, and lower than after random cuts of the same size?",
)
if run := claims.chosen(pruned=False):
    histories.draw(run, services.visitor())
