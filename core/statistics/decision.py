"""The word on each question and on the card, by the rule."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.statistics.mcnemar import holm
from core.statistics.pairs import Paired, Unpaired
from core.statistics.questions import Claim, Counted, Share
from core.statistics.rule import POWER, Rule
from core.statistics.words import FAILS, HOLDS, OPEN, WORDS, are, headline, listed, plural, start

MOST_SEEDS = 10_000  # beyond this no number of seeds is named


@dataclass(frozen=True, eq=False)
class Decision:
    """What the rule says on one question.

    word: one of WORDS. more: how many more seeds are needed, about; None where it is decided, or where no number that the
    rule allows would do. look: the number of seeds at which it was decided or last looked at, None before the first look.
    evidence: of that look (before it, of the seeds there are), None if there is none. low, high: its interval at 1 − level,
    widened for the card and the look, so that it excludes the margin exactly where a word is given. p_value, corrected: p at
    the margin, and after Holm; decided if corrected is below what this look may spend. sentence: for a student.
    """

    question: Claim | Share
    word: str
    sentence: str
    more: int | None = None
    look: int | None = None
    evidence: Paired | Counted | None = None
    low: float = -math.inf
    high: float = math.inf
    level: float = math.nan
    p_value: float = 1.0
    corrected: float = 1.0

    @property
    def headline(self) -> str:
        """The word, with what is missing for one."""
        return headline(self.word, self.more)


@dataclass(frozen=True, eq=False)
class Card:
    """The answers on all questions of one card: holds if all hold, fails if one fails, else can't tell yet."""

    word: str
    sentence: str
    more: int | None
    decisions: tuple[Decision, ...]
    rule: Rule

    @property
    def headline(self) -> str:
        return headline(self.word, self.more)


def judge(questions: Sequence[Claim | Share], rule: Rule | None = None) -> Card:
    """The card's verdict, with one decision per question, in their order.

    Only the first seeds count, as many as the look asks for: runs that finish early must not be looked at alone. Each look
    makes a two-sided test of every question at its margin, corrected by Holm (1979) over all questions of the card (those
    without data count as p = 1) and held against its part of the level. So at most `level` of cards err: over looks by
    Bonferroni; over questions by Holm, and that the side is right too by Shaffer (1980, Annals of Statistics 8: 1342),
    proven for independent comparisons and simulated in the tests for those that share an arm. Pass every question that
    the card will hold, also those without runs so far. Raises ValueError on an empty card.
    """
    rule = rule or Rule()
    if not questions:
        raise ValueError("no question came: a card asks at least one")
    latest: dict[int, Decision] = {}
    for look in rule.looks:
        for i, decision in _look(questions, rule, look).items():
            if i not in latest or latest[i].word == OPEN:  # a verdict once given stands
                latest[i] = decision
    return _card(tuple(latest.get(i) or _waiting(question, rule) for i, question in enumerate(questions)), rule)


def _look(questions: Sequence[Claim | Share], rule: Rule, look: int) -> dict[int, Decision]:
    """Place of a question -> the decision at this look, for those that have all its seeds."""
    evidence = {i: found for i, question in enumerate(questions) if (found := _evidence(question, rule, look))}
    p_values = [
        _p_value(evidence[i], question.region(rule)) if i in evidence else 1.0 for i, question in enumerate(questions)
    ]
    corrected, spent = holm(p_values), rule.spent[look]
    decided = [i for i in sorted(evidence, key=p_values.__getitem__) if corrected[i] < spent]
    found = {}
    for i, seen in evidence.items():
        share = 1 / (len(questions) - (decided.index(i) if i in decided else len(decided)))  # of the level, by Holm
        low, high = seen.interval(spent * share)
        numbers = {"look": look, "evidence": seen, "low": low, "high": high, "level": spent * share}
        numbers |= {"p_value": p_values[i], "corrected": corrected[i]}
        words = _settled if i in decided else _open
        word, sentence, more = words(questions[i], rule, look, seen, share, spent / len(questions))
        found[i] = Decision(questions[i], word, sentence, more, **numbers)
    return found


def _evidence(question: Claim | Share, rule: Rule, look: int) -> Paired | Counted | None:
    """None where seeds are missing or must not be paired."""
    try:
        return question.evidence(rule.upto(look), rule)
    except Unpaired:
        return None


def _p_value(evidence: Paired | Counted, region: tuple[float, float]) -> float:
    """The level at which the interval just clears all ends of the region, from inside or from outside."""
    return max(evidence.p_value(end) for end in region if math.isfinite(end))


def _settled(
    question: Claim | Share, rule: Rule, look: int, seen: Paired | Counted, share: float, safe: float
) -> tuple[str, str, None]:
    """Word and sentence where the interval is on one side. safe: the level at which intervals hold for all questions and all
    margins at once, so that more may be said than was asked."""
    low, high = question.region(rule)
    level = rule.spent[look] * share
    measured = question.measured(seen, *seen.interval(level), level)
    side = (-math.inf, low) if seen.center < low else (high, math.inf) if seen.center > high else (low, high)
    shown = question.shown(rule, side, seen.interval(safe))
    sentence = f"{start(shown)}: {measured}.{question.besides(rule, seen.interval(safe))}"
    return HOLDS if side == (low, high) else FAILS, sentence, None


def _open(
    question: Claim | Share, rule: Rule, look: int, seen: Paired | Counted, share: float, safe: float
) -> tuple[str, str, int | None]:
    """Word, sentence and how many more seeds, where the interval lies on both sides."""
    level = rule.spent[look] * share
    measured = question.measured(seen, *seen.interval(level), level)
    first = f"It can't be told yet whether {question.text(rule)}: {measured}."
    first += question.besides(rule, seen.interval(safe))
    region, later = question.region(rule), [each for each in rule.looks if each > look]
    for next_look in later:
        missing = _missing(question, rule, next_look)
        if not missing and (reason := _refusal(question, rule.upto(next_look), rule)):
            return OPEN, f"{first} {reason}", None
        if seen.power(next_look, region, rule.spent[next_look] * share) >= POWER:
            more = len(missing)
            sentence = f"About {plural(more, 'more seed')} should tell, if mean and spread stay as they are."
            return OPEN, f"{first} {sentence}", more
    last = rule.looks[-1]
    needed = _needed(seen, region, rule.spent[last] * share, last)
    count = f"About {needed:,} seeds in all" if needed else f"More than {MOST_SEEDS:,} seeds"
    return OPEN, f"{first} {count} would be needed to tell, and the rule stops at {last}.", None


def _needed(seen: Paired | Counted, region: tuple[float, float], level: float, least: int) -> int | None:
    """The smallest number of seeds, `least` or more, that decides in POWER of all cases; None beyond MOST_SEEDS."""
    low, high = least - 1, least
    while seen.power(high, region, level) < POWER:
        if high >= MOST_SEEDS:
            return None
        low, high = high, min(2 * high, MOST_SEEDS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if seen.power(middle, region, level) >= POWER else (middle, high)
    return high


def _missing(question: Claim | Share, rule: Rule, look: int) -> list[int]:
    return sorted(set(rule.upto(look)) - set(question.seeds))


def _refusal(question: Claim | Share, seeds: Iterable[int], rule: Rule) -> str:
    """Why these seeds cannot be used, "" if they can."""
    try:
        question.evidence(seeds, rule)
    except Unpaired as reason:
        return str(reason)
    return ""


def _waiting(question: Claim | Share, rule: Rule) -> Decision:
    """Before the first look."""
    missing, seeds = _missing(question, rule, rule.seeds), question.seeds
    first = f"It can't be told yet whether {question.text(rule)}: "
    if not seeds:
        return Decision(question, OPEN, f"{first}no seed has run yet, the rule asks for {rule.seeds}.", len(missing))
    if reason := _refusal(question, seeds, rule):
        return Decision(question, OPEN, f"{first}{reason[0].lower()}{reason[1:]}", len(missing) or None)
    seen = question.evidence(seeds, rule)
    low, high = seen.interval(rule.level)
    measured = question.measured(seen, low, high, rule.level)
    sentence = f"{first}{are(missing)} missing of the {rule.seeds} that the rule asks for. So far {measured}."
    return Decision(question, OPEN, sentence, len(missing), None, seen, low, high, rule.level)


def _card(decisions: tuple[Decision, ...], rule: Rule) -> Card:
    by_word = {word: [each for each in decisions if each.word == word] for word in WORDS}
    word = FAILS if by_word[FAILS] else OPEN if by_word[OPEN] else HOLDS
    mores = [each.more for each in by_word[OPEN]]
    more = max(mores) if word == OPEN and all(mores) else None
    if len(decisions) == 1:
        return Card(word, decisions[0].sentence, more, decisions, rule)
    if word == HOLDS:
        return Card(word, f"All {len(decisions)} parts hold.", None, decisions, rule)
    ends = {HOLDS: ("holds", "hold"), FAILS: ("fails", "fail"), OPEN: ("can't be told yet", "can't be told yet")}
    counts = [f"{len(found)} {ends[each][len(found) > 1]}" for each, found in by_word.items() if found]
    sentence = f"Of {len(decisions)} parts {listed(counts, 'and')}. {by_word[word][0].sentence}"
    return Card(word, sentence, more, decisions, rule)
