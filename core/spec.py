"""Everything that determines a run, frozen: same spec, same result. What is allowed stands beside each field, as its Rule.

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
from core.rules import Number, OneOf, Rule, Switch

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
REWOUND = (
    "After the last cut what is left goes back to its start weights and is trained again to the target (Frankle and Carbin "
    "2019, arXiv 1803.03635)."
)
HIDDEN = "give 1 to 8 hidden layers of 1..4096 neurons, such as (300, 200, 100, 50)"


@dataclass(frozen=True, kw_only=True)
class Widths(Rule):
    """The widths of hidden layers."""

    def check(self, name: str, value: Any) -> tuple[int, ...]:
        if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
            raise ValueError(f"{name} {value!r} is not a tuple of widths: {HIDDEN}")
        widths = tuple(value)
        if not 1 <= len(widths) <= 8:
            raise ValueError(f"{name} has {len(widths)} layers: {HIDDEN}")
        for width in widths:
            if isinstance(width, bool) or not isinstance(width, numbers.Integral) or not 1 <= width <= 4096:
                raise ValueError(f"hidden layer width {width!r} is not allowed: {HIDDEN}")
        return tuple(int(width) for width in widths)

    def read(self, text: str) -> tuple[int, ...]:
        return self.check("hidden", widths_of(text))

    def write(self, value: tuple[int, ...]) -> str:
        return "-".join(map(str, value))


@dataclass(frozen=True, kw_only=True)
class Part(Switch):
    """A spec of the class `kind` within another one, or None."""

    kind: type

    def check(self, name: str, value: Any) -> Any:
        if value is not None and not isinstance(value, self.kind):
            raise ValueError(f"{name} {value!r} is not a {self.kind.__name__}: give one, or None for no {name}")
        return value


def ruled(default: Any, rule: Rule) -> Any:
    """A dataclass field that knows its rule."""
    return dataclasses.field(default=default, metadata={"rule": rule})


def rules(spec: type | Any) -> dict[str, Rule]:
    """The rule of each field that has one."""
    return {field.name: field.metadata["rule"] for field in dataclasses.fields(spec) if field.metadata}


class Checked:
    """Checks every field that carries a rule when the instance is made."""

    def __post_init__(self):
        for name, rule in rules(self).items():
            object.__setattr__(self, name, rule.check(name, getattr(self, name)))


@dataclass(frozen=True, kw_only=True)
class PruningSpec(Checked):
    """When and how a run is pruned. The defaults are the paper's text at 80 % in 5 rounds."""

    criterion: str = ruled("activation-frequency", OneOf(
        "Criterion: what goes first", choices=criteria.names, refusal="unknown criterion {value!r}: allowed are {allowed}",
    ))  # fmt: skip
    ratio: float = ruled(0.8, Number(
        "Pruning ratio, %", "Share of all weights, output layer included, to be zero at the end.",
        low=0.0, high=0.99, percent=True, dragged=True,
    ))  # fmt: skip
    rounds: int = ruled(5, Number(
        "Rounds", "How many cuts. Their sizes fall, so the first is the largest.", low=1, high=100, dragged=True,
    ))  # fmt: skip
    start_accuracy: float = ruled(0.8, Number(
        "First cut at training accuracy, %",
        "Training accuracy at which the first cut comes; the others follow in equal steps up to the target.",
        "start", low=0.0, high=1.0, percent=True,
    ))  # fmt: skip
    budget: str = ruled("total", OneOf("Budget", "How the ratio is split over the rounds.", choices=BUDGETS))
    scope: str = ruled("global", OneOf("Ranking", "What is ranked against what.", choices=SCOPES))
    counting: str = ruled("every-batch", OneOf("Counting", "On which images firing is counted.", choices=COUNTINGS))
    reset_counts: bool = ruled(False, Switch(
        "Reset counts after a cut", "Off: counts are kept over the whole run.", "reset",
    ))  # fmt: skip
    min_units: int = ruled(0, Number(
        "Neurons kept per layer", "Neurons kept alive in every layer whatever the ratio; 0 as in the paper.", low=0, high=4096,
    ))  # fmt: skip
    selection: str = ruled("ratio", OneOf("A round cuts", "What a round cuts.", choices=SELECTIONS))
    redundancy: str = ruled("full", OneOf(
        "Redundancy", "What happens to a neuron without incoming weights.", choices=REDUNDANCIES,
    ))  # fmt: skip
    schedule: str = ruled("rising", OneOf("When the cuts come", "When the cuts come.", choices=SCHEDULES))
    rewind: bool = ruled(False, Switch("Rewind after the last cut", REWOUND))

    def __post_init__(self):
        super().__post_init__()
        ranking = criteria.get(self.criterion)
        if self.selection == "deviation" and ranking.per != "neuron":
            raise ValueError(
                f"selection 'deviation' cuts whole neurons but the criterion {self.criterion!r} scores weights: "
                "choose a neuron criterion, such as activation-frequency"
            )


@dataclass(frozen=True, kw_only=True)
class PenaltySpec(Checked):
    """λ · Σ singular values of the hidden layers in the objective, taken as a step of its own every N training steps."""

    strength: float = ruled(0.001, Number(
        "Strength λ", "λ: how much a unit of nuclear norm costs beside the mean cross-entropy.", "lambda", low=0.0, high=1e6,
    ))  # fmt: skip
    every: int = ruled(50, Number(
        "Training steps between two of its steps, N",
        "N: training steps between two penalty steps, each as long as N of them. The same penalty, cheaper.",
        low=1, high=100_000,
    ))  # fmt: skip
    method: str = ruled("proximal", OneOf("Its step", "How the penalty changes the weights.", choices=METHODS))
    weighting: str = ruled("equal", OneOf(
        "Weight of each singular value", "How much each singular value counts.", choices=WEIGHTINGS,
    ))  # fmt: skip
    switching: str = ruled("always", OneOf("When it is on", "When the penalty is on.", choices=SWITCHINGS))


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
        plan = rules(PruningSpec)
        object.__setattr__(self, "epoch", Number(low=0, high=100_000).check("epoch of a cut by hand", self.epoch))
        if not self.epoch:
            raise ValueError("a cut by hand at epoch 0 never comes, nothing is trained yet: give an epoch from 1 on")
        object.__setattr__(self, "ratio", plan["ratio"].check("ratio", self.ratio))
        for name in ("criterion", "scope"):
            if getattr(self, name) is not None:
                plan[name].check(name, getattr(self, name))
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

    dataset: str = ruled("mnist-mini", OneOf(
        "Data", choices=datasets.names,
        refusal="unknown data set {value!r}: allowed are {allowed}; a Keras-layout .npz in the folder PRUNING_DATA adds one",
    ))  # fmt: skip
    hidden: tuple[int, ...] = ruled((300, 200, 100, 50), Widths("Hidden layers"))
    seed: int = ruled(0, Number(
        "Seed", "Draws the start weights, the shuffles and every random choice.", low=0, high=2**32 - 1,
    ))  # fmt: skip
    optimizer: str = ruled("sgd", OneOf("Optimiser", "How weights are updated.", choices=OPTIMIZERS))
    learning_rate: float = ruled(0.01, Number(
        "Learning rate", "Step size. 0.01 in the paper.", "rate", low=0.0, high=1e12,
    ))  # fmt: skip
    batch_size: int = ruled(32, Number(
        "Batch size", "Images per update. 32 in the paper.", "batch", low=1, high=100_000,
    ))  # fmt: skip
    max_epochs: int = ruled(200, Number(
        "Epochs at most", "The run ends here if the target is not reached.", "epochs", low=1, high=10_000,
    ))  # fmt: skip
    target_accuracy: float | None = ruled(None, Number(
        "Target accuracy, % (0: the data's own)",
        "The run ends when an epoch's training accuracy reaches this after the last cut.",
        "target", low=0.0, high=1.0, percent=True, none="0",
    ))  # fmt: skip
    ending: str = ruled("target", OneOf("The run ends", "When the run ends.", choices=ENDINGS))
    early_stopping: str = ruled("off", OneOf(
        "Early stopping", "Whether validation loss may end the run.", "stopping", choices=EARLY_STOPPINGS,
    ))  # fmt: skip
    arithmetic: str = ruled("portable", OneOf(
        "Arithmetic", "Whose matrix products: which computers give the same numbers.", choices=ARITHMETICS,
    ))  # fmt: skip
    pruning: PruningSpec | None = ruled(PruningSpec(), Part(kind=PruningSpec))
    penalty: PenaltySpec | None = ruled(None, Part(
        "Train with the penalty",
        "Adds λ · (sum of the hidden layers' singular values) to the objective, beside or instead of cuts.",
        kind=PenaltySpec,
    ))  # fmt: skip
    hand_cuts: tuple[HandCut, ...] = ()
    parent: str | None = None

    def __post_init__(self):
        super().__post_init__()
        if not isinstance(self.hand_cuts, (tuple, list)) or not all(isinstance(c, HandCut) for c in self.hand_cuts):
            raise ValueError(f"hand_cuts {self.hand_cuts!r} is not a tuple of HandCut: give one per cut, or ()")
        object.__setattr__(self, "hand_cuts", tuple(self.hand_cuts))
        if self.parent is not None and not (isinstance(self.parent, str) and self.parent.isalnum()):
            raise ValueError(f"parent {self.parent!r} is not the key of a run: it has 16 letters and digits")
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
        REWOUND,
    ),
}


def widths_of(text: str) -> tuple[int, ...]:
    """The hidden widths in a text such as "300-200-100-50", as labels and links have them; commas and spaces do too. Raises
    ValueError on what is no list of whole numbers; whether they are allowed, RunSpec says."""
    parts = [part for part in text.replace(",", "-").replace(" ", "-").split("-") if part]
    if not parts or not all(part.isdecimal() for part in parts):
        raise ValueError(f"the network {text!r} is not a list of widths: write them like 300-200-100-50")
    return tuple(int(part) for part in parts)


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
