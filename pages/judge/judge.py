"""Which of the paper's claims hold? One card a claim, over many seeds; a small set to run here."""

from pages.judge import judging
from pages.shared import services

judging.draw(services.visitor())
