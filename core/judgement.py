"""The page Judge as it is drawn: rows of runs in, one blob a setting out, with every seed's value behind every verdict.

`blob` packs the four cards, `collect` makes the rows of a small set on this computer and keeps them on the shelf one by one,
`table` and `script` are what a person takes away.
"""

from __future__ import annotations

import csv
import io
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from core import cards, datasets, results, scene, statistics
from core.cards import CLAIMS, DIRECTIONS, FRESH_EPOCHS, FRESH_TARGET, INACTIVITY, METHOD, NAMES, Row, Setting
from core.paired import REDUCTIONS, RETRAINED
from core.shelf import Shelf
from core.spec import RunSpec
from core.statistics import Arm, Card, Counted, Decision, Paired, Rule, Share
from core.store import Store
from core.sweep import QUICK, outcomes
from core.verdicts import MOST

SHELF, FILE = "quick", "runs-v1.json"
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
}
SHORTER = {"pca": "PCA", "svd": "truncated SVD", "aware": "activation-aware"}
RELEASED = "Cutting the busiest neurons, as the released code does, is a good guide to what can be pruned"
OF_QUICK = (
    "The quick set asks claim 1 alone: the other three need more work on every run. The shipped results judge them."
)


def label(setting: Setting) -> str:
    """ "MNIST, 80 % of the weights zero, 5 rounds"."""
    return f"{dataset(setting.dataset)}, {100 * setting.ratio:g} % of the weights zero, {setting.rounds} rounds"


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
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return f"{first}: {len(rows)} runs, made on {when} on {devices} with {versions}."


def title(claim: str, method: str = METHOD) -> str:
    """The claim as a sentence."""
    return RELEASED if claim == "pruning" and method == INACTIVITY else CLAIMS[claim]


def card(
    claim: str, rows: Sequence[Row], method: str = METHOD, arms: Iterable[str] | None = None, rule: Rule | None = None
) -> Card:
    """The card of a claim for the rows of one setting."""
    return statistics.judge(cards.questions(claim, rows, method, arms), rule or Rule())


# -- the blob ---------------------------------------------------------------------------------------------------------


def blob(
    rows: Sequence[Row],
    setting: Setting,
    made: str = SHIPPED,
    *,
    method: str = METHOD,
    arms: Sequence[str] | None = None,
    claim: str = "pruning",
    job: Mapping[str, Any] | None = None,
    rule: Rule | None = None,
) -> bytes:
    """What the page draws of all `rows` of one origin: the cards of `setting`, and all arms at every ratio of its data set.

    arms: those that the rows are planned to have, None for all; claim 1 alone is then asked. claim: which card is open at
    first. job: what is under way. Every mean stands with its n and its interval.
    """
    rule = rule or Rule()
    mine = setting.of(rows)
    header = {
        "key": f"{made} {setting.dataset} {setting.ratio:g} {setting.rounds} {method}",
        "made": made,
        "setting": label(setting),
        "provenance": provenance(mine, made),
        "open": claim,
        "rule": rule.text.split("\n\n"),
        "coverage": statistics.coverage_text(rule.seeds, rule.method),
        "margin": rule.margin,
        "cards": [_card(name, mine, method, arms, rule) for name in CLAIMS],
        "panels": _panels(rows, setting, rule),
        "failed": [failed(row) for row in mine if row["test_accuracy"] == ""],
        "job": dict(job) if job else None,
    }
    return scene.pack(header, {})


def failed(row: Row) -> str:
    """A run without a result, in a sentence."""
    return f"Seed {row['seed']} of {SHORT.get(row['arm'], row['arm'])} failed: {row['ended']}."


def _card(claim: str, rows: Sequence[Row], method: str, arms: Sequence[str] | None, rule: Rule) -> dict[str, Any]:
    drawn = {"name": claim, "title": title(claim, method), "asked": arms is None or claim == "pruning"}
    if not drawn["asked"]:
        return drawn | {"word": "", "headline": "not asked", "sentence": OF_QUICK, "kind": "none", "decisions": []}
    found = card(claim, rows, method, arms, rule)
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


def _short(name: str) -> dict[str, str]:
    """An arm's own name, a short one for the figure, and the words of the sentences."""
    known = {words: key for key, words in (*NAMES.items(), *DIRECTIONS.items(), *cards.COPIED.items())}
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
        "chance": decision.chance if looked else None,
        "corrected": decision.corrected if looked else None,
    }


def _panels(rows: Sequence[Row], setting: Setting, rule: Rule) -> list[dict[str, Any]]:
    """All arms at every ratio of the data set: accuracy, every seed a point, and what is zero. The fresh small networks are
    whole, so no share of theirs is zero: they stand with the ratio whose widths they have."""
    panels = []
    for at in cards.settings(rows):
        if (at.dataset, at.rounds) != (setting.dataset, setting.rounds):
            continue
        mine = ran(at.of(rows))
        drawn, cut = [], []
        for name in sorted({row["arm"] for row in mine}, key=_order):
            zeros = [row["zero"] for row in mine if row["arm"] == name]
            if name not in (results.NO_PRUNING, FRESH_TARGET, FRESH_EPOCHS):
                cut += zeros
            found = {"name": name, "short": SHORT.get(name, name), "zero": [min(zeros), max(zeros)]}
            drawn.append(found | _values(cards.arm(mine, name), rule))
        panels.append({"ratio": at.ratio, "zero": [min(cut), max(cut)] if cut else None, "arms": drawn})
    return panels


def _order(arm: str) -> tuple:
    known = list(SHORT)
    return (known.index(arm) if arm in known else len(known), arm)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


# -- a set of runs on this computer -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Quick:
    """What a small set is made of. The defaults are the quick set of a class."""

    dataset: str = "mnist-mini"
    ratio: float = 0.8
    rounds: int = 5
    seeds: tuple[int, ...] = tuple(range(Rule.seeds))
    arms: tuple[str, ...] = QUICK

    @property
    def setting(self) -> Setting:
        return Setting(self.dataset, self.ratio, self.rounds)

    def specs(self) -> list[tuple[str, RunSpec]]:
        """Every run with its arm, seed by seed, so that the first pairs are there early."""
        every = ((seed, results.specs(self.dataset, seed, self.ratio, self.rounds)) for seed in self.seeds)
        return [(arm, specs[arm]) for _, specs in every for arm in self.arms]


@dataclass(frozen=True)
class Kept:
    """The rows of a set as the shelf keeps them. trained: runs of this go so far, in `seconds` since it began."""

    rows: tuple[Row, ...] = ()
    asked: int = 0
    trained: int = 0
    seconds: float = 0.0

    @property
    def left(self) -> float | None:
        """Seconds until the whole set is there, by this go's own pace; None while nobody knows."""
        return self.seconds / self.trained * (self.asked - len(self.rows)) if self.trained else None

    @property
    def progress(self) -> str:
        """How far it is, in words."""
        done = f"{len(self.rows)} of {self.asked} runs are there"
        if self.left is None:
            return f"{done}; how long the rest takes is known after the first one"
        minutes = self.left / 60
        return f"{done}, about {f'{minutes:.0f} minutes' if minutes >= 1.5 else f'{self.left:.0f} seconds'} left"


def kept(shelf: Shelf, name: str = SHELF) -> Kept:
    """The set on the shelf; an empty one where there is none, or none that can be read."""
    try:
        values = json.loads(shelf.read(name, FILE) or b"{}")
        rows = tuple(row for row in values.pop("rows", ()) if {"arm", "seed", "test_accuracy", "key"} <= row.keys())
        return Kept(rows, **values)
    except (ValueError, TypeError, AttributeError):
        return Kept()


def collect(
    store: Store,
    shelf: Shelf,
    wanted: Sequence[tuple[str, RunSpec]],
    setting: Setting,
    name: str = SHELF,
    n_jobs: int = -1,
    going: Callable[[], bool] = lambda: True,
) -> Iterator[Kept]:
    """Trains what is missing of the `wanted` arms; every run that ends becomes a row on the shelf at once, one that fails too,
    with its reason. Yields the set after each. What is stored comes first and is not trained again."""
    arms = {spec: arm for arm, spec in wanted}
    places = {(arm, spec.seed) for spec, arm in arms.items()}
    known = {(row["arm"], row["seed"]): row for row in kept(shelf, name).rows}
    rows = {place: row for place, row in known.items() if place in places and row["test_accuracy"] != ""}
    began, trained, seconds = time.monotonic(), 0, 0.0
    for outcome in outcomes(list(arms), store, n_jobs, going):
        place = (arms[outcome.spec], outcome.spec.seed)
        if outcome.finished is None:
            rows[place] = _failed(outcome.spec, place[0], setting, outcome.reason or "no reason was given")
        elif not (outcome.stored and place in rows and rows[place]["key"] == outcome.spec.key()):
            rows[place] = results.row(store, shelf, place[0], outcome.spec, setting.ratio, setting.rounds)
        if not outcome.stored:
            trained, seconds = trained + 1, time.monotonic() - began
        now = Kept(tuple(rows.values()), len(wanted), trained, seconds)
        shelf.write(name, FILE, json.dumps(asdict(now)).encode())
        yield now


def _failed(spec: RunSpec, arm: str, setting: Setting, reason: str) -> Row:
    asked = {
        "dataset": setting.dataset,
        "ratio": setting.ratio,
        "rounds": setting.rounds,
        "arm": arm,
        "seed": spec.seed,
    }
    return asked | {"test_accuracy": "", "images": 0, "epochs": 0, "ended": reason, "key": ""}


# -- to take away -----------------------------------------------------------------------------------------------------


def table(rows: Sequence[Row]) -> str:
    """The rows as CSV, in the form of the shipped file; `results.shipped(file)` reads it."""
    names = list(dict.fromkeys(name for row in sorted(rows, key=lambda row: -len(row)) for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: row.get(name, 0 if name in results.NUMBERS else "") for name in names} for row in rows)
    return text.getvalue()


def script(
    claim: str, setting: Setting, made: str = SHIPPED, method: str = METHOD, arms: Sequence[str] | None = None
) -> str:
    """A Python script that prints the card from its rows. Raises ValueError on what is no claim or no direction."""
    cards.questions(claim, [], method, arms)
    file = "" if made == SHIPPED else 'Path(sys.argv[1] if sys.argv[1:] else "runs.csv")'
    source = "the rows that ship" if made == SHIPPED else "the rows that the page's CSV holds"
    how = "card.py" if made == SHIPPED else "card.py runs.csv"
    more = "" if method == METHOD else f', method="{method}"'
    more += "" if arms is None else f", arms={json.dumps(list(arms))}"
    imports = "" if made == SHIPPED else "import sys\nfrom pathlib import Path\n\n"
    place = f"{setting.dataset!r}, {setting.ratio!r}, {setting.rounds!r}".replace("'", '"')
    return f'''# {title(claim, method)}.
# {label(setting)}, from {source}.
# Run it in the folder of the Pruning Explorer: PYTHONPATH=. .venv/bin/python {how}
{imports}from core import cards, results
from core.statistics import Rule, judge

rows = cards.Setting({place}).of(results.shipped({file}))
card = judge(cards.questions("{claim}", rows{more}), Rule())
print(f"{{card.headline}}\\n{{card.sentence}}")
for part in card.decisions:
    n = part.evidence.n if part.evidence else 0
    print(f"{{part.headline}} | n = {{n}} | {{part.low:.4f}} to {{part.high:.4f}} | p = {{part.corrected:.4g}}")
    print(f"  {{part.sentence}}")
'''
