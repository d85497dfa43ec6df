"""Arms compared over seeds: paired differences, their intervals, and verdicts by a rule that is fixed before looking.

Numbers in, a Decision in words out. A rule states seeds, margin, level and when seeds may be added; `Rule.text` says it in
words made of those numbers. A question is a Claim on two arms or a Share of runs; `judge` answers all questions of a card.
May import nothing but `arithmetic`.
"""

from core.statistics.coverage import SHAPES, coverage_text
from core.statistics.decision import Card, Decision, judge
from core.statistics.pairs import Arm, Paired, Source, Unpaired, pair, shared
from core.statistics.questions import KINDS, Claim, Counted, Share
from core.statistics.rule import METHODS, Rule
from core.statistics.words import OPEN, WORDS, Verdict, amount, headline, signed

__all__ = [
    "Arm",
    "Card",
    "Claim",
    "Counted",
    "Decision",
    "KINDS",
    "METHODS",
    "OPEN",
    "Paired",
    "Rule",
    "SHAPES",
    "Share",
    "Source",
    "Unpaired",
    "Verdict",
    "WORDS",
    "amount",
    "coverage_text",
    "headline",
    "judge",
    "pair",
    "shared",
    "signed",
]
