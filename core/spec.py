"""Everything that determines a run, frozen: same spec, same result. Bounds and help text stand beside each field.

`key()` names the run's folder. It covers every field that is not at its default, the data's fingerprint and ENGINE; defaults
are left out so that an option added later changes no old key.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import numbers
from dataclasses import dataclass
from typing import Any

from core import criteria, datasets, numerals
from core.arithmetic import ARITHMETICS
from core.masks import REDUNDANCIES, SCOPES, ByHand

# Raise it when the same spec would give other numbers: old results then keep their keys and are not mixed up.
ENGINE = 3
WIDEST_ON_PAGE = 1024

BUDGETS = {
    "total": "after each round the planned share of all weights is zero, redundancy included: achieved ≈ requested",
    "increment": "as released: each round removes its share of all weights from those still alive, redundancy on top",
}
COUNTINGS = {
    "every-batch": "on every training batch, from the activations that training computed",
    "sample-32": "as released: on 32 random training images after each epoch",
}
SELECTIONS = {
    "ratio": "cut the lowest scores until the planned ratio is reached",
    "deviation": "cut neurons below mean − k · standard deviation of their layer, k from 3 down to 1 over the rounds",
}
SCHEDULES = {
    "rising": "as in the paper's method, while accuracy rises: from the start accuracy to the target in equal steps of "
    "training accuracy, sizes falling as 0.8^i",
    "trained": "once the network is trained to the target: one cut at the end of each epoch from there on, what is still to "
    "go falling as a cube (Zhu and Gupta 2017, arXiv 1710.01878), as the paper prunes by magnitude; 1 round cuts once",
}
ENDINGS = {
    "target": "when the target is reached after the last cut, or at the last epoch",
    "epochs": "at the last epoch, whatever the accuracy; the target then only says when to cut",
}
EARLY_STOPPINGS = {
    "off": "train to the target or the last epoch",
    "released": "as released: three epochs whose validation loss is above 1.1 × the best and still rising end the run",
}
OPTIMIZERS = {
    "sgd": "plain stochastic gradient descent, as in the paper",
    "adam": "Adam (Kingma and Ba 2014), β 0.9, 0.999",
}


METHODS = {
    "proximal": "soft-threshold the singular values by learning rate · λ · N every N steps",
    "gradient": "step along the subgradient, learning rate · λ · N long, every N steps; singular values at zero are left",
}
WEIGHTINGS = {
    "equal": "every singular value counts alike: the nuclear norm",
    "index": "as released: the i-th singular value counts i times, 1 for the largest",
}
SWITCHINGS = {
    "always": "from the first step on",
    "alternate-epochs": "as released: in every other epoch, from the one after training accuracy first reached 0.7",
}


def option(default: Any, text: str, *, low=None, high=None, choices: dict[str, str] | None = None, absent=False):
    """A dataclass field that knows its help text and what is allowed; `absent`: None is allowed too."""
    kind = "choice" if choices else "integer" if isinstance(default, int) else "number"
    metadata = {"help": text, "low": low, "high": high, "choices": choices, "kind": kind, "absent": absent}
    return dataclasses.field(default=default, metadata=metadata)


def bounds(spec: type | Any, name: str) -> Any:
    """The metadata of one field: `help`, `low`, `high`, `choices`, `kind`."""
    return next(field.metadata for field in dataclasses.fields(spec) if field.name == name)


def _checked(name: str, value: Any, rule: Any) -> Any:
    """`value` as a plain Python value if the rule allows it. Raises ValueError: what came, what is allowed."""
    if value is None and rule["absent"]:
        return None
    if rule["kind"] == "choice":
        if value not in list(rule["choices"]):
            raise ValueError(f"{name} {value!r} is unknown: allowed are {', '.join(rule['choices'])}")
        return str(value)
    allowed = f"{rule['low']}..{rule['high']}"
    whole = rule["kind"] == "integer"
    if isinstance(value, bool) or not isinstance(value, numbers.Integral if whole else numbers.Real):
        raise ValueError(f"{name} {value!r} is not {'a whole' if whole else 'a'} number: give one in {allowed}")
    if not rule["low"] <= value <= rule["high"]:  # NaN fails too; before float(), which 10**400 would overflow
        raise ValueError(f"{name} {value} is outside {allowed}")
    return int(value) if whole else float(value)


class Checked:
    """Checks every field that carries a rule when the instance is made."""

    def __post_init__(self):
        for field in dataclasses.fields(self):
            if field.metadata:
                object.__setattr__(self, field.name, _checked(field.name, getattr(self, field.name), field.metadata))


@dataclass(frozen=True, kw_only=True)
class PruningSpec(Checked):
    """When and how a run is pruned. The defaults are the paper's text at 80 % in 5 rounds."""

    criterion: str = "activation-frequency"
    ratio: float = option(
        0.8, "Share of all weights, output layer included, to be zero at the end.", low=0.0, high=0.99
    )
    rounds: int = option(5, "How many cuts. Their sizes fall, so the first is the largest.", low=1, high=100)
    start_accuracy: float = option(
        0.8, "Training accuracy at which the first cut comes; the others follow in equal steps up to the target.",
        low=0.0, high=1.0,
    )  # fmt: skip
    budget: str = option("total", "How the ratio is split over the rounds.", choices=BUDGETS)
    scope: str = option("global", "What is ranked against what.", choices=SCOPES)
    counting: str = option("every-batch", "On which images firing is counted.", choices=COUNTINGS)
    reset_counts: bool = False
    min_units: int = option(
        0, "Neurons kept alive in every layer whatever the ratio; 0 as in the paper.", low=0, high=4096
    )
    selection: str = option("ratio", "What a round cuts.", choices=SELECTIONS)
    redundancy: str = option("full", "What happens to a neuron without incoming weights.", choices=REDUNDANCIES)
    schedule: str = option("rising", "When the cuts come.", choices=SCHEDULES)
    rewind: bool = False  # after the last cut what is left goes back to its start weights (Frankle and Carbin 2019)

    def __post_init__(self):
        super().__post_init__()
        ranking = criteria.get(self.criterion)
        for name in ("reset_counts", "rewind"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} {getattr(self, name)!r} is not True or False")
        if self.selection == "deviation" and ranking.per != "neuron":
            raise ValueError(
                f"selection 'deviation' cuts whole neurons but the criterion {self.criterion!r} scores weights: "
                "choose a neuron criterion, such as activation-frequency"
            )


@dataclass(frozen=True, kw_only=True)
class PenaltySpec(Checked):
    """λ · Σ singular values of the hidden layers in the objective, taken as a step of its own every N training steps."""

    strength: float = option(
        0.001, "λ: how much a unit of nuclear norm costs beside the mean cross-entropy.", low=0.0, high=1e6
    )
    every: int = option(
        50, "N: training steps between two penalty steps, each as long as N of them. The same penalty, cheaper.",
        low=1, high=100_000,
    )  # fmt: skip
    method: str = option("proximal", "How the penalty changes the weights.", choices=METHODS)
    weighting: str = option("equal", "How much each singular value counts.", choices=WEIGHTINGS)
    switching: str = option("always", "When the penalty is on.", choices=SWITCHINGS)


@dataclass(frozen=True, kw_only=True)
class HandCut:
    """A cut made by hand at the end of `epoch`, from 1: afterwards the share `ratio` of all weights is zero.

    criterion, scope: what ranks, where it is not the run's own plan; such a cut looks at the counts of the epoch's end even
    where a planned cut of the same epoch has reset them. killed, spared: neurons chosen on top, as (hidden layer from 0,
    unit).
    """

    epoch: int
    ratio: float
    criterion: str | None = None
    scope: str | None = None
    killed: tuple[tuple[int, int], ...] = ()
    spared: tuple[tuple[int, int], ...] = ()

    def __post_init__(self):
        rule = {"low": 0, "high": 100_000, "kind": "integer", "absent": False}
        object.__setattr__(self, "epoch", _checked("epoch of a cut by hand", self.epoch, rule))
        if not self.epoch:
            raise ValueError("a cut by hand at epoch 0 never comes, nothing is trained yet: give an epoch from 1 on")
        object.__setattr__(self, "ratio", _checked("ratio", self.ratio, bounds(PruningSpec, "ratio")))
        if self.criterion is not None:
            criteria.get(self.criterion)
        object.__setattr__(
            self, "scope", _checked("scope", self.scope, bounds(PruningSpec, "scope") | {"absent": True})
        )
        for name in ("killed", "spared"):
            object.__setattr__(self, name, _neurons(name, getattr(self, name)))

    @property
    def by_hand(self) -> ByHand:
        """The neurons chosen on top of the ratio."""
        return ByHand(self.killed, self.spared)


@dataclass(frozen=True, kw_only=True)
class RunSpec(Checked):
    """One run: data, network, training, pruning, penalty. `pruning=None`: no cut at all; `penalty=None`: no penalty.
    `target_accuracy=None`: the data set's own.

    `hand_cuts` and `parent` make a branch: what a person cut by hand in a run that was going on, and that run's key. Raises
    ValueError that says what came, what is allowed and what to do.
    """

    dataset: str = "mnist-mini"
    hidden: tuple[int, ...] = (300, 200, 100, 50)
    seed: int = option(0, "Draws the start weights, the shuffles and every random choice.", low=0, high=2**32 - 1)
    optimizer: str = option("sgd", "How weights are updated.", choices=OPTIMIZERS)
    learning_rate: float = option(0.01, "Step size. 0.01 in the paper.", low=0.0, high=1e12)
    batch_size: int = option(32, "Images per update. 32 in the paper.", low=1, high=100_000)
    max_epochs: int = option(200, "The run ends here if the target is not reached.", low=1, high=10_000)
    target_accuracy: float | None = option(
        None, "The run ends when an epoch's training accuracy reaches this after the last cut.",
        low=0.0, high=1.0, absent=True,
    )  # fmt: skip
    ending: str = option("target", "When the run ends.", choices=ENDINGS)
    early_stopping: str = option("off", "Whether validation loss may end the run.", choices=EARLY_STOPPINGS)
    arithmetic: str = option(
        "portable", "Whose matrix products: which computers give the same numbers.", choices=ARITHMETICS
    )
    pruning: PruningSpec | None = PruningSpec()
    penalty: PenaltySpec | None = None
    hand_cuts: tuple[HandCut, ...] = ()
    parent: str | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.dataset not in datasets.names():
            allowed = ", ".join(datasets.names())
            raise ValueError(
                f"unknown data set {self.dataset!r}: allowed are {allowed}; "
                "a Keras-layout .npz in the folder PRUNING_DATA adds one"
            )
        object.__setattr__(self, "hidden", _widths(self.hidden))
        if not isinstance(self.hand_cuts, (tuple, list)) or not all(isinstance(c, HandCut) for c in self.hand_cuts):
            raise ValueError(f"hand_cuts {self.hand_cuts!r} is not a tuple of HandCut: give one per cut, or ()")
        object.__setattr__(self, "hand_cuts", tuple(self.hand_cuts))
        if self.parent is not None and not (isinstance(self.parent, str) and self.parent.isalnum()):
            raise ValueError(f"parent {self.parent!r} is not the key of a run: it has 16 letters and digits")
        if self.pruning is not None and not isinstance(self.pruning, PruningSpec):
            raise ValueError(f"pruning {self.pruning!r} is not a PruningSpec: give one, or None for no pruning")
        if self.penalty is not None and not isinstance(self.penalty, PenaltySpec):
            raise ValueError(f"penalty {self.penalty!r} is not a PenaltySpec: give one, or None for no penalty")
        rising = self.pruning is not None and self.pruning.schedule == "rising"
        if rising and self.pruning.start_accuracy > self.target:
            start, target = numerals.write(self.pruning.start_accuracy), numerals.write(self.target)
            raise ValueError(
                f"start_accuracy {start} is above the target accuracy {target} of {self.dataset}: the first cut must come "
                "before the target, so lower one or raise the other"
            )

    @property
    def target(self) -> float:
        """The training accuracy to reach, 0..1: `target_accuracy`, or the data set's own."""
        return datasets.target_accuracy(self.dataset) if self.target_accuracy is None else self.target_accuracy

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, defaults left out."""
        return _plain(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> RunSpec:
        """The spec that `to_dict` gave. Raises ValueError on names it does not know."""
        if isinstance(values, dict):
            values = dict(values)
            for name, kind in (("pruning", PruningSpec), ("penalty", PenaltySpec)):
                if isinstance(values.get(name), dict):
                    values[name] = _built(kind, values[name])
            if isinstance(values.get("hand_cuts"), (tuple, list)):
                values["hand_cuts"] = tuple(_built(HandCut, cut) for cut in values["hand_cuts"])
        return _built(RunSpec, values)

    def key(self) -> str:
        """The name of the run's folder: 16 hex digits over spec, data and engine. Reads the data's fingerprint."""
        content = {"spec": self.to_dict(), "data": datasets.fingerprint(self.dataset), "engine": ENGINE}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def branch(self, epoch: int, ratio: float, **how: Any) -> RunSpec:
        """The run that follows this one up to the end of `epoch`, is cut by hand to `ratio` there, and trains on.

        `how`: HandCut's other fields."""
        longer = self.max_epochs if epoch < self.max_epochs else min(10_000, epoch + self.max_epochs)
        cuts = (*(cut for cut in self.hand_cuts if cut.epoch <= epoch), HandCut(epoch=epoch, ratio=ratio, **how))
        return dataclasses.replace(self, hand_cuts=cuts, parent=self.key(), max_epochs=longer)

    def label(self) -> str:
        """One line for people: data, widths, criterion, ratio, rounds, seed, and whatever else is not at its default."""
        parts = [self.dataset, "-".join(map(str, self.hidden))]
        if self.pruning is None:
            parts.append("no pruning")
        elif self.pruning.selection == "deviation":
            parts.append(f"{self.pruning.criterion}, mean − k·σ in {self.pruning.rounds} rounds")
        else:
            rounds = f"{self.pruning.rounds} round{'s' if self.pruning.rounds > 1 else ''}"
            parts.append(f"{self.pruning.criterion} {self.pruning.ratio * 100:g} % in {rounds}")
        parts.append(f"seed {self.seed}")
        parts += _unusual(self, {"dataset", "hidden", "seed", "pruning", "penalty", "hand_cuts", "parent"})
        if self.pruning is not None:
            parts += _unusual(self.pruning, {"criterion", "ratio", "rounds", "selection"})
        if self.penalty is not None:
            parts.append(f"nuclear-norm penalty λ {self.penalty.strength:.4g}")
            parts += _unusual(self.penalty, {"strength"})
        if self.hand_cuts:
            parts.append(", ".join(_in_words(cut) for cut in self.hand_cuts))
        return " · ".join(parts)


def as_released(dataset: str = "mnist-mini", **changes: Any) -> RunSpec:
    """The preset "as in the released code": busiest first, increments, 32 images an epoch, its redundancy and stopping."""
    pruning = PruningSpec(criterion="inactivity", budget="increment", counting="sample-32", redundancy="released")
    return RunSpec(
        **{"dataset": dataset, "max_epochs": 500, "early_stopping": "released", "pruning": pruning} | changes
    )


# The paper's other baselines: what each changes of PruningSpec, and what it is.
BASELINES: dict[str, tuple[dict[str, Any], str]] = {
    "magnitude on the trained network": (
        {"criterion": "magnitude", "schedule": "trained", "rounds": 2},
        "The paper's magnitude pruning: the network is trained to the target, its smallest weights go over two epochs on a "
        "polynomial schedule, here at the end of each epoch, and it is trained to the target again.",
    ),
    "cut once when trained": (
        {"schedule": "trained", "rounds": 1},
        "The network is trained to the target, cut in one go by activation frequency, and trained to the target again.",
    ),
    "rewound to the start weights": (
        {"rewind": True},
        "After the last cut what is left goes back to its start weights and is trained again to the target (Frankle and Carbin "
        "2019, arXiv 1803.03635).",
    ),
}


def widths_of(text: str) -> tuple[int, ...]:
    """The hidden widths in a text such as "300-200-100-50", as labels and links have them; commas and spaces do too. Raises
    ValueError on what is no list of whole numbers; whether they are allowed, RunSpec says."""
    parts = [part for part in text.replace(",", "-").replace(" ", "-").split("-") if part]
    if not parts or not all(part.isdecimal() for part in parts):
        raise ValueError(f"the network {text!r} is not a list of widths: write them like 300-200-100-50")
    return tuple(int(part) for part in parts)


def _widths(hidden: Any) -> tuple[int, ...]:
    advice = "give 1 to 8 hidden layers of 1..4096 neurons, such as (300, 200, 100, 50)"
    if isinstance(hidden, (str, bytes)) or not hasattr(hidden, "__iter__"):
        raise ValueError(f"hidden {hidden!r} is not a tuple of widths: {advice}")
    hidden = tuple(hidden)
    if not 1 <= len(hidden) <= 8:
        raise ValueError(f"hidden has {len(hidden)} layers: {advice}")
    for width in hidden:
        if isinstance(width, bool) or not isinstance(width, numbers.Integral) or not 1 <= width <= 4096:
            raise ValueError(f"hidden layer width {width!r} is not allowed: {advice}")
    return tuple(int(width) for width in hidden)


def _neurons(name: str, chosen: Any) -> tuple[tuple[int, int], ...]:
    """The chosen neurons in one order, each once: the same set is the same cut, and so the same key."""
    advice = "give pairs of a hidden layer from 0 and a unit from 0, such as ((0, 12), (2, 3))"
    if not isinstance(chosen, (tuple, list)):
        raise ValueError(f"{name} {chosen!r} is no list of neurons: {advice}")
    pairs = set()
    for one in chosen:
        whole = isinstance(one, (tuple, list)) and len(one) == 2
        if not whole or any(isinstance(n, bool) or not isinstance(n, numbers.Integral) or n < 0 for n in one):
            raise ValueError(f"{name} holds {one!r}, which is no neuron: {advice}")
        pairs.add((int(one[0]), int(one[1])))
    return tuple(sorted(pairs))


def _in_words(cut: HandCut) -> str:
    text = f"cut by hand to {cut.ratio * 100:g} % at epoch {cut.epoch}"
    if cut.criterion:
        text += f" by {cut.criterion}" + (", per layer" if cut.scope == "layer" else "")
    for name, neurons in (("killed", cut.killed), ("spared", cut.spared)):
        text += f", {len(neurons)} neuron{'s' if len(neurons) > 1 else ''} {name}" if neurons else ""
    return text


def _unusual(spec: Any, named: set[str]) -> list[str]:
    """The settings that are not at their default, in words, but those in `named`, which the label has already."""
    fields = [field for field in dataclasses.fields(spec) if field.name not in named]
    values = [(field.name.replace("_", " "), getattr(spec, field.name), field.default) for field in fields]
    texts = [
        (name, f"{value:g}" if isinstance(value, float) else value) for name, value, usual in values if value != usual
    ]
    return [name if text is True else f"{name} {text}" for name, text in texts]


def _plain(spec: Any) -> dict[str, Any]:
    values = {}
    for field in dataclasses.fields(spec):
        value = getattr(spec, field.name)
        if field.default is not dataclasses.MISSING and value == field.default:
            continue
        if dataclasses.is_dataclass(value):
            value = _plain(value)
        elif isinstance(value, tuple):
            value = [_plain(item) if dataclasses.is_dataclass(item) else item for item in value]
        values[field.name] = value
    return values


def _built(kind: type, values: dict[str, Any]) -> Any:
    if not isinstance(values, dict):
        raise ValueError(f"{values!r} is no set of fields of a {kind.__name__}: give names and values")
    known = {field.name for field in dataclasses.fields(kind)}
    needed = {field.name for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ValueError(f"unknown field {unknown[0]!r} in a {kind.__name__}: allowed are {', '.join(sorted(known))}")
    if missing := sorted(needed - set(values)):
        raise ValueError(f"a {kind.__name__} needs {missing[0]!r}: give it")
    return kind(**values)
