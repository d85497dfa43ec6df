"""The page Judge as it is drawn: rows of runs in, one blob a setting out, with every seed's value behind every verdict."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from core import datasets, statistics
from core.judge import questions, results
from core.judge.questions import (
    CLAIMS,
    DIRECTIONS,
    END,
    FRESH_EPOCHS,
    FRESH_TARGET,
    INACTIVITY,
    MEASURED,
    METHOD,
    NAMES,
    Row,
    Setting,
)
from core.spec import BASELINES
from core.statistics import Arm, Card, Counted, Decision, Paired, Rule, Share
from core.statistics.mcnemar import REDUCTIONS, RETRAINED
from core.statistics.words import MOST
from core.views import scene

SHIPPED, HERE = "shipped", "here"
LABELS = {"fashion-mnist-resplit": "Fashion-MNIST, our split"}
# What a figure has room for; sentences say more.
SHORT = {
    METHOD: "activation frequency",
    INACTIVITY: "busiest first (released)",
    "magnitude": "magnitude",
    "random-matched": "random, as many per layer",
    "random-weights": "random weights",
    FRESH_TARGET: "fresh small, same target",
    FRESH_EPOCHS: "fresh small, same epochs",
    results.NO_PRUNING: "no pruning",
    "activation-frequency-weight": "frequency × weight",
    "inactivity-weight": "inactivity × weight",
    "random-neurons": "random neurons",
    **{name: name for name in BASELINES},
}
SHORTER = {"pca": "PCA", "svd": "truncated SVD", "aware": "activation-aware"}
RELEASED = "Cutting the busiest neurons, as the released code does, is a good guide to what can be pruned"
NOT_ASKED = (
    "This set of runs asks claim 1 alone: the other three need more work on every run. Switch “Claims 2 to 4 too” on, on the "
    "left, or look at the shipped results."
)


def label(setting: Setting) -> str:
    """ "MNIST, 80 % of the weights zero, 5 rounds", and what else is not as usual."""
    parts = [dataset(setting.dataset), f"{100 * setting.ratio:g} % of the weights zero", f"{setting.rounds} rounds"]
    if setting.budget != Setting.budget:
        parts.append(f"budget {setting.budget}")
    if setting.matched != Setting.matched:
        parts.append("achieved ratios matched")
    if setting.length is not None:
        parts.append(f"{setting.length} epochs each")
    return ", ".join(parts)


def dataset(name: str) -> str:
    """A data set's name for a person."""
    if name in LABELS:
        return LABELS[name]
    try:
        return datasets.label(name)
    except ValueError:
        return name  # its file is not on this computer


def ran(rows: Iterable[Row]) -> list[Row]:
    """Those that have a result."""
    return [row for row in rows if row["test_accuracy"] != ""]


def provenance(rows: Sequence[Row], made: str) -> str:
    """Where the rows come from, in a sentence."""
    rows = ran(rows)
    first = "These results ship with the project" if made == SHIPPED else "These results are from this computer"
    if not rows:
        return f"{first}; no run is there yet."
    dates = sorted({row["date"] for row in rows})
    devices, versions = ("; and ".join(sorted({row[name] for row in rows})) for name in ("device", "versions"))
    families = "; and ".join(sorted({questions.source(row).family for row in rows}))
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return f"{first}: {len(rows)} runs, made on {when} on {devices} (arithmetic: {families}) with {versions}."


def beside(row: Row, accuracy: float, key: str, source: Mapping[str, Any]) -> str:
    """A shipped row beside the same run made here: `accuracy` in %, its key, and what it was made on. In sentences."""
    mine, theirs = statistics.Source.of(source, row["data"]), questions.source(row)
    other_engine = mine.versions.rpartition(", ")[2] != theirs.versions.rpartition(", ")[2]
    if key != row["key"] and not other_engine:
        return "It has another key: its data are not those of the shipped run, so the two are not the same run."
    same_family, same_versions = mine.unlike(theirs) is None and not other_engine, mine.versions == theirs.versions
    if abs(accuracy - row["test_accuracy"]) < 0.005:
        return "The same to the last digit shown." if same_family else "The same, though made in another arithmetic."
    gap = statistics.amount(accuracy - row["test_accuracy"], images=row["images"])
    if same_family:
        return f"It differs by {gap} though arithmetic and versions are the same: this should not be, please report it."
    if mine.family == theirs.family and not same_versions and not other_engine:
        return f"It differs by {gap}: other versions round otherwise ({mine.versions} here; {theirs.versions} in what ships)."
    ships = f"{theirs.family}, {theirs.versions.rpartition(', ')[2]}"
    return (
        f"It differs by {gap}: other arithmetic ({ships} in what ships; {mine.family} here). These runs are chaotic, so last "
        "bits and then accuracies differ."
    )


def title(claim: str, method: str = METHOD) -> str:
    """The claim as a sentence."""
    return RELEASED if claim == "pruning" and method == INACTIVITY else CLAIMS[claim]


def card(
    claim: str,
    rows: Sequence[Row],
    method: str = METHOD,
    arms: Iterable[str] | None = None,
    rule: Rule | None = None,
    measured: str = END,
) -> Card:
    """The card of a claim for the rows of one setting."""
    return statistics.judge(questions.questions(claim, rows, method, arms, measured), rule or Rule())


# -- the blob ---------------------------------------------------------------------------------------------------------


def blob(
    rows: Sequence[Row],
    setting: Setting,
    made: str = SHIPPED,
    *,
    method: str = METHOD,
    measured: str = END,
    arms: Sequence[str] | None = None,
    asked: Collection[str] = tuple(CLAIMS),
    claim: str = "pruning",
    job: Mapping[str, Any] | None = None,
    rule: Rule | None = None,
) -> bytes:
    """What the page draws of all `rows` of one origin: the cards of `setting`, and all its arms.

    method, measured: as in `questions.questions`. arms: those that the rows are planned to have, None: all. asked: the claims
    that the rows are meant to judge. claim: which card is open at first. job: what is under way. Every mean stands with its n
    and its interval.
    """
    rule = rule or Rule()
    mine = setting.of(rows)
    header = {
        "key": f"{made} {setting} {method} {measured}",
        "made": made,
        "setting": label(setting) + ("" if measured == END else f", {MEASURED[measured]}"),
        "provenance": provenance(mine, made),
        "open": claim,
        "rule": rule.text.split("\n\n"),
        "coverage": statistics.coverage_text(rule.seeds, rule.method),
        "margin": rule.margin,
        "cards": [_card(name, name in asked, mine, method, measured, arms, rule) for name in CLAIMS],
        "panels": _panels(rows, setting, rule),
        "failed": [told for row in mine if (told := failed(row))],
        "job": dict(job) if job else None,
    }
    return scene.pack(header, {})


def failed(row: Row) -> str:
    """A run without a result at what was asked, or one that collapsed, in a sentence; "" of any other."""
    who = f"Seed {row['seed']} of {SHORT.get(row['arm'], row['arm'])}"
    if row["test_accuracy"] == "":
        return f"{who} failed: {row['ended']}."
    if questions.missed(row):
        asked = row.get("requested", "") or 100 * row["ratio"]
        zero = f"{row['zero']:g} % of its weights are zero, {asked:g} % was asked"
        return f"{who} missed cuts: {zero}, so it is no result at that ratio."
    if questions.collapsed(row):
        ended = {"diverged": "diverged", "dead": "died"}.get(row["ended"], "")
        said = " and ".join(part for part in (ended, row.get("constant", "")) if part)
        return f"{who} {said}; it is counted with what it reaches."
    return ""


def _card(
    claim: str,
    asked: bool,
    rows: Sequence[Row],
    method: str,
    measured: str,
    arms: Sequence[str] | None,
    rule: Rule,
) -> dict[str, Any]:
    drawn = {"name": claim, "title": title(claim, method), "asked": asked}
    if not asked:
        return drawn | {"word": "", "headline": "not asked", "sentence": NOT_ASKED, "kind": "none", "decisions": []}
    if claim == "pruning" and arms is not None and (gap := _nothing_to_compare(method, arms)):
        return drawn | {"word": "", "headline": "nothing to compare", "sentence": gap, "kind": "none", "decisions": []}
    found = card(claim, rows, method, arms, rule, measured)
    drawn |= {"word": found.word, "headline": found.headline, "sentence": found.sentence}
    first = found.decisions[0].question
    if isinstance(first, Share):
        return drawn | {"kind": "shares", "line": MOST, "decisions": _shares(claim, rows, found, rule)}
    every = [first.first, *(decision.question.second for decision in found.decisions)]
    note = ""
    if method != METHOD and claim != "pruning":
        note = "This card is about activation frequency in the text's direction; the switch is for claim 1."
    return drawn | {
        "kind": "differences",
        "note": note,
        "arms": [_short(arm.name) | _values(arm, rule) for arm in every],
        "decisions": [_difference(decision, rule) for decision in found.decisions],
    }


def _nothing_to_compare(method: str, arms: Sequence[str]) -> str:
    """Why claim 1 cannot be asked of these arms; "" where it can."""
    others = [other for _, other in questions.COMPARED]
    if method in arms and any(other in arms for other in others):
        return ""
    return f"Claim 1 compares {DIRECTIONS[method]} with others: have it and one of {', '.join(others)} run."


def _short(name: str) -> dict[str, str]:
    """An arm's own name, a short one for the figure, and the words of the sentences."""
    known = {words: key for key, words in (*NAMES.items(), *DIRECTIONS.items(), *questions.COPIED.items())}
    if name in known:
        return {"name": known[name], "short": SHORT[known[name]], "words": name}
    key, words = next((key, words) for key, words in REDUCTIONS.items() if name.startswith(words))
    tail = (RETRAINED, ", retrained") if name != words else ("", "")
    return {"name": key + tail[0], "short": SHORTER[key] + tail[1], "words": name}


def _values(arm: Arm, rule: Rule) -> dict[str, Any]:
    """Every seed's value, their mean with its interval, and n."""
    seeds = sorted(arm.values)
    points = [[seed, arm.values[seed]] for seed in seeds]
    if not seeds:
        return {"n": 0, "points": [], "mean": None, "low": None, "high": None}
    seen = Paired(tuple(seeds), np.array([arm.values[seed] for seed in seeds], float), rule.level, rule.method)
    low, high = seen.interval()
    return {"n": seen.n, "points": points, "mean": seen.mean, "low": _finite(low), "high": _finite(high)}


def _difference(decision: Decision, rule: Rule) -> dict[str, Any]:
    question, seen = decision.question, decision.evidence
    margin = rule.margin if question.margin is None else question.margin
    drawn = _decided(decision) | {"text": question.text(rule), "margin": margin, "region": question.kind}
    if not isinstance(seen, Paired):
        return drawn | {"n": 0, "points": [], "mean": None, "amount": ""}
    points = [[seed, float(value)] for seed, value in zip(seen.seeds, seen.differences, strict=True)]
    size = statistics.amount(seen.mean, question.unit, question.images)
    return drawn | {"n": seen.n, "points": points, "mean": seen.mean, "amount": size}


def _shares(claim: str, rows: Sequence[Row], found: Card, rule: Rule) -> list[dict[str, Any]]:
    """The method's decision, and beside it the same count for the random control, which is not judged."""
    decision = found.decisions[0]
    column = claim.replace("-", "_")
    drawn = []
    for arm in results.JUDGED:
        words = {row["seed"]: row[column] for row in rows if row["arm"] == arm and row.get(column)}
        points = [[seed, words[seed]] for seed in sorted(words)]
        own = {"arm": SHORT[arm], "points": points, "judged": arm == METHOD}
        if arm == METHOD:
            seen, low, high = decision.evidence, decision.low, decision.high
            own |= _decided(decision) | {"text": decision.question.text(rule)}
        else:
            seen = Share("", words).evidence(words, rule) if words else None
            low, high = seen.interval(rule.level) if seen else (0.0, 1.0)
            own |= {"low": low, "high": high, "level": rule.level}
        if isinstance(seen, Counted):
            own |= {"n": seen.n, "holds": seen.holds, "unknown": seen.unknown, "low": low, "high": high}
        else:
            own |= {"n": 0, "holds": 0, "unknown": 0}
        drawn.append(own)
    return drawn


def _decided(decision: Decision) -> dict[str, Any]:
    looked = decision.look is not None
    return {
        "word": decision.word,
        "headline": decision.headline,
        "sentence": decision.sentence,
        "look": decision.look,
        "low": _finite(decision.low),
        "high": _finite(decision.high),
        "level": _finite(decision.level),
        "chance": decision.p_value if looked else None,
        "corrected": decision.corrected if looked else None,
    }


def _panels(rows: Sequence[Row], setting: Setting, rule: Rule) -> list[dict[str, Any]]:
    """All arms of the setting: accuracy, every seed a point, and what is zero. The fresh small networks are whole, so no share
    of theirs is zero. `ladder` has the other ratios."""
    mine = questions.entered(setting.of(rows))
    drawn, cut = [], []
    for name in sorted({row["arm"] for row in mine}, key=_order):
        zeros = [row["zero"] for row in mine if row["arm"] == name]
        if name not in (results.NO_PRUNING, FRESH_TARGET, FRESH_EPOCHS):
            cut += zeros
        found = {"name": name, "short": SHORT.get(name, name), "zero": [min(zeros), max(zeros)]}
        drawn.append(found | _values(questions.arm(mine, name), rule))
    return [{"ratio": setting.ratio, "zero": [min(cut), max(cut)] if cut else None, "arms": drawn}] if drawn else []


def _order(arm: str) -> tuple:
    known = list(SHORT)
    return (known.index(arm) if arm in known else len(known), arm)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
