"""Does activation-based pruning lead to low rank? The singular values of a run as a film, through all its cuts."""

from pages.claims import films
from pages.shared import claims

claims.title(
    "Pruning makes the layers' weight matrices low-rank",
    "A layer with fewer living neurons has lower rank whichever neurons went. So: is the rank lower than the number of living "
    "neurons explains, and lower than after random cuts of the same size?",
)
if run := claims.chosen(pruned=False):
    films.draw(run)
