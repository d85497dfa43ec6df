"""One moment of a run, as arrays, and the one file format it is kept in.

A cut changes no weight but to zero, so a moment stores the weights as trained and the masks after the cut: the network
before and after the cut are both there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import safetensors
import safetensors.numpy

from core import recipe
from core.arithmetic import UNRECORDED
from core.network import Network

WORTH_PACKING = 0.9  # share of non-zero weights under which a matrix is stored without its zeros


@dataclass(frozen=True, eq=False)
class TrainingState:
    """One network in training at the end of an epoch, at its original size.

    weights, biases: as in Network. kept: one bool array per weight matrix. fired: per hidden layer `(units,)` int64 over
    `seen` examples. moments: Adam's first and second moments per parameter, () for SGD. steps: updates made so far.
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    kept: tuple[np.ndarray, ...]
    fired: tuple[np.ndarray, ...]
    seen: int = 0
    moments: tuple[np.ndarray, ...] = ()
    steps: int = 0

    def network(self) -> Network:
        """The network as it is now: what is not kept is zero."""
        return Network(_masked(self.weights, self.kept), self.biases)

    def with_kept(self, kept: Sequence[np.ndarray]) -> TrainingState:
        """The state after a cut: only what `kept` and the masks so far both keep stays."""
        kept = tuple(old & new for old, new in zip(self.kept, kept, strict=True))
        return replace(self, kept=kept, weights=tuple(_masked(self.weights, kept)))

    def rewound(self, start: TrainingState) -> TrainingState:
        """What is kept, at the weights and biases of `start`, as if nothing had been learnt; counts stay."""
        weights = tuple(_masked(start.weights, self.kept))
        return replace(self, weights=weights, biases=start.biases, moments=start.moments, steps=start.steps)

    def fingerprint(self) -> str:
        """16 hex digits over every weight, bias, mask and count: equal where two networks are the same bit by bit."""
        groups = {"weight": self.weights, "bias": self.biases, "kept": self.kept, "fired": self.fired}
        digest = hashlib.sha256()
        for name, arrays in groups.items():
            for place, array in enumerate(arrays):
                plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
                digest.update(f"{name}.{place} {plain.dtype.str} {plain.shape}\n".encode())
                digest.update(plain.tobytes())
        return digest.hexdigest()[:16]

    def with_counts_reset(self) -> TrainingState:
        """The state with every count at zero."""
        return replace(self, fired=tuple(np.zeros_like(count) for count in self.fired), seen=0)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The end of `epoch`, after its cuts.

    trained: the weights as training left them, before this epoch's cuts. state: after the cuts; counts as they stood at
    the moment of the cut are `fired` (they may be reset in `state`). policy: the recipe's memory. fired_by_class: per hidden
    layer `(classes, units)` int64, on how many of the `class_sizes` validation images of each class the neuron fires, as
    trained. spectra: singular values per stage and hidden layer; stage 0 as trained, stage i after the i-th cut of the epoch;
    empty where the network diverged. ended: why the run ends here, None if it goes on. family: whose arithmetic has trained it
    so far (`arithmetic.family`), several with ", then " between them where another computer went on.
    """

    epoch: int
    trained: tuple[np.ndarray, ...]
    state: TrainingState
    fired: tuple[np.ndarray, ...]
    seen: int
    policy: recipe.State
    fired_by_class: tuple[np.ndarray, ...]
    class_sizes: np.ndarray
    spectra: tuple[tuple[np.ndarray, ...], ...] = ()
    ended: str | None = None
    family: str = UNRECORDED

    @property
    def cuts(self) -> int:
        """How many cuts were made at the end of this epoch."""
        return max(0, len(self.spectra) - 1)

    def before_cut(self) -> Network:
        """The network as training left it, before this epoch's cuts."""
        return Network(self.trained, self.state.biases)

    def to_bytes(self) -> bytes:
        """The file's content, safetensors: masks at one bit a weight, no pickle."""
        arrays: dict[str, np.ndarray] = {"class_sizes": self.class_sizes}
        state = self.state
        for place, weight in enumerate(self.trained):
            weight = np.ascontiguousarray(weight)
            there = weight.view(np.uint32) != 0  # every bit counts: -0.0 is kept, though nothing here makes one
            if np.count_nonzero(there) < WORTH_PACKING * weight.size:
                arrays |= {f"packed.{place}": weight[there], f"there.{place}": np.packbits(there)}
            else:
                arrays[f"weight.{place}"] = weight
        for name, group in (
            ("bias", state.biases),
            ("kept", [np.packbits(mask) for mask in state.kept]),
            ("fired", self.fired),
            ("counting", state.fired),
            ("moment", state.moments),
            ("fired_by_class", self.fired_by_class),
            *((f"spectrum-{stage}", values) for stage, values in enumerate(self.spectra)),
        ):
            arrays |= {f"{name}.{place}": array for place, array in enumerate(group)}
        header = {
            "epoch": self.epoch,
            "seen": self.seen,
            "counting_seen": state.seen,
            "steps": state.steps,
            "policy": {
                k: v.hex() if isinstance(v, float) else v
                for k, v in vars(self.policy).items()
                if v or k != "fallen"  # it came later; without it the file of a sound run is what it always was
            },
            "shapes": [weight.shape for weight in self.trained],
            "stages": len(self.spectra),
            "ended": self.ended,
            "family": self.family,
        }
        # safetensors writes the memory as it lies: a transposed view would be stored wrong without a word.
        arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        return safetensors.numpy.save(arrays, metadata={"moment": json.dumps(header)})


@dataclass(frozen=True, eq=False)
class Glance:
    """What a snapshot tells of its hidden layers without its weights being read, for those who want many moments at once.

    shapes: `(units, inputs)` per layer. spectra: as in Snapshot. live: before and after the cuts of this epoch, per layer how
    many rows and how many columns of the matrix are not all zero.
    """

    epoch: int
    shapes: tuple[tuple[int, int], ...]
    spectra: tuple[tuple[np.ndarray, ...], ...]
    live: tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]


def glance(content: bytes) -> Glance:
    """The Glance of a file's content. Raises ValueError if it is not a snapshot."""
    try:
        length = int.from_bytes(content[:8], "little")
        table = json.loads(content[8 : 8 + length])
        header = json.loads(table["__metadata__"]["moment"])

        def read(name: str) -> np.ndarray:
            (start, end), kind = table[name]["data_offsets"], _KINDS[table[name]["dtype"]]
            values = np.frombuffer(content, kind, (end - start) // kind.itemsize, 8 + length + start)
            return values.reshape(table[name]["shape"])

        hidden = sum(name.startswith("kept.") for name in table) - 1
        whole = [f"weight.{i}" in table for i in range(hidden)]
        shapes = tuple(tuple(table[f"weight.{i}"]["shape"] if whole[i] else header["shapes"][i]) for i in range(hidden))
        after = tuple(_live(np.unpackbits(read(f"kept.{i}"), count=r * c), (r, c)) for i, (r, c) in enumerate(shapes))
        before = after
        if header["stages"] > 1:
            there = (
                read(f"weight.{i}") != 0 if whole[i] else np.unpackbits(read(f"there.{i}"), count=shape[0] * shape[1])
                for i, shape in enumerate(shapes)
            )
            before = tuple(_live(bits, shape) for bits, shape in zip(there, shapes, strict=True))
        spectra = tuple(
            tuple(read(f"spectrum-{stage}.{i}").copy() for i in range(len(shapes))) for stage in range(header["stages"])
        )
        return Glance(header["epoch"], shapes, spectra, (before, after))
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ValueError(f"not a snapshot of a run: {error}") from error


_KINDS = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8"), "U8": np.dtype("u1")}


def _live(there: np.ndarray, shape: tuple[int, int]) -> tuple[int, int]:
    matrix = there.reshape(shape)
    return int(np.count_nonzero(matrix.any(axis=1))), int(np.count_nonzero(matrix.any(axis=0)))


def from_bytes(content: bytes) -> Snapshot:
    """The Snapshot in a file's content. Raises ValueError if it is not one."""
    try:
        arrays = safetensors.numpy.load(content)
        length = int.from_bytes(content[:8], "little")
        header = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["moment"])

        def group(name: str) -> tuple[np.ndarray, ...]:
            found = [key for key in arrays if key.rpartition(".")[0] == name]
            return tuple(_read_only(arrays[f"{name}.{place}"]) for place in range(len(found)))

        biases, bits = group("bias"), group("kept")
        trained = tuple(_weight(arrays, place, header) for place in range(len(biases)))
        kept = tuple(
            _read_only(np.unpackbits(packed, count=weight.size).astype(bool).reshape(weight.shape))
            for packed, weight in zip(bits, trained, strict=True)
        )
        state = TrainingState(
            weights=tuple(map(_read_only, _masked(trained, kept))),
            biases=biases,
            kept=kept,
            fired=group("counting"),
            seen=header["counting_seen"],
            moments=group("moment"),
            steps=header["steps"],
        )
        policy = {
            k: float.fromhex(v) if isinstance(getattr(recipe.State, k), float) else v
            for k, v in header["policy"].items()
        }
        return Snapshot(
            epoch=header["epoch"],
            trained=trained,
            state=state,
            fired=group("fired"),
            seen=header["seen"],
            policy=recipe.State(**policy),
            fired_by_class=group("fired_by_class"),
            class_sizes=_read_only(arrays["class_sizes"]),
            spectra=tuple(group(f"spectrum-{stage}") for stage in range(header["stages"])),
            ended=header["ended"],
            family=header.get("family", UNRECORDED),
        )
    except (safetensors.SafetensorError, LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ValueError(f"not a snapshot of a run: {error}") from error


def _weight(arrays: dict[str, np.ndarray], place: int, header: dict) -> np.ndarray:
    """The weights of one layer, stored whole or, where many are zero, as the others and where they stand."""
    if f"weight.{place}" in arrays:
        return _read_only(arrays[f"weight.{place}"])
    weight = np.zeros(header["shapes"][place], np.float32)
    there = np.unpackbits(arrays[f"there.{place}"], count=weight.size).astype(bool)
    weight[there.reshape(weight.shape)] = arrays[f"packed.{place}"]
    return _read_only(weight)


def _masked(weights: Sequence[np.ndarray], kept: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Not a product: that would leave -0.0 behind, which the packed form of a snapshot has no room for."""
    return [np.where(mask, weight, np.float32(0)) for weight, mask in zip(weights, kept, strict=True)]


def _read_only(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array
