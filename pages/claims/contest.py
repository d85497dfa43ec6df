"""The PCA contest: a pruned network against its standard twin, reduced in three ways and matched in three."""

from pages.claims import contests
from pages.shared import services

contests.draw(services.visitor())
