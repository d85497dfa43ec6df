"""One slider moves everything: choose a stored network and a criterion on the left, drag."""

from pages.parts import services, slider

slider.draw(services.visitor())
