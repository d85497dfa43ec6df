"""The PCA contest: a pruned network against its standard twin, reduced in three ways and matched in three."""

from pages.parts import contests, services

contests.draw(services.visitor())
