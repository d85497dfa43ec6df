"""Which of the paper's claims hold? One card a claim, over many seeds; a small set to run here."""

from pages.parts import judging, services

judging.draw(services.visitor())
