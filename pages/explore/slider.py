"""One slider moves everything: choose a stored network and a criterion on the left, drag."""

from pages.explore import stage
from pages.shared import services

stage.draw(services.visitor())
