"""Does a cut act on the singular values as a nuclear-norm penalty would? Choose a run on the left, a cut in the picture."""

from pages.claims import penalties
from pages.shared import services

penalties.draw(services.visitor())
