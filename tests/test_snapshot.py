"""Snapshots: what goes in comes out bit for bit, masks at one bit a weight; anything else is refused."""

import dataclasses
import math

import numpy as np
import pytest
from small import assert_same

from core import recipe
from core.store import snapshot
from core.store.snapshot import Snapshot, TrainingState


def moment(adam=False, **changes) -> Snapshot:
    rng = np.random.default_rng(0)
    shapes = [(7, 5), (3, 7), (2, 3)]
    weights = tuple(rng.normal(size=shape).astype("f") for shape in shapes)
    weights[0][0, 0], weights[0][0, 1] = -0.0, 1e-45  # a negative zero and a denormal
    kept = tuple(rng.random(shape) < 0.6 for shape in shapes)
    biases = tuple(rng.normal(size=shape[0]).astype("f") for shape in shapes)
    state = TrainingState(
        weights=tuple(np.where(k, w, np.float32(0)) for w, k in zip(weights, kept, strict=True)),
        biases=biases,
        kept=kept,
        fired=(np.arange(7), np.full(3, 2**40)),
        seen=2**41,
        moments=tuple(np.abs(p) for p in (*weights, *biases) for _ in range(2)) if adam else (),
        steps=123,
    )
    stages = tuple(tuple(rng.random(n).astype("f") for n in (5, 3)) for _ in range(2))
    policy = recipe.State(rounds_done=2, best_loss=0.1 + 0.2, previous_loss=math.inf, ticks=1)
    by_class = (np.arange(14).reshape(2, 7), np.arange(6).reshape(2, 3))
    whole = Snapshot(
        12, weights, state, (np.arange(7) + 1, np.ones(3, np.int64)), 99, policy, by_class, np.array([4, 5]), stages
    )
    return dataclasses.replace(whole, **changes)


@pytest.mark.parametrize("adam", [False, True])
@pytest.mark.parametrize("ended", [None, "target reached: Σ ≥ 0.98"])
def test_a_snapshot_comes_back_bit_for_bit(adam, ended):
    one = moment(adam, ended=ended)
    two = snapshot.from_bytes(one.to_bytes())
    assert (two.epoch, two.seen, two.ended, two.policy, two.cuts) == (12, 99, ended, one.policy, 1)
    assert (two.state.seen, two.state.steps) == (2**41, 123)
    for name in ("trained", "fired", "fired_by_class"):
        assert_same(getattr(one, name), getattr(two, name))
    for name in ("weights", "biases", "kept", "fired", "moments"):
        assert_same(getattr(one.state, name), getattr(two.state, name))
    assert_same([one.class_sizes], [two.class_sizes])
    for a, b in zip(one.spectra, two.spectra, strict=True):
        assert_same(a, b)
    assert two.to_bytes() == one.to_bytes()


def test_more_than_ten_layers_keep_their_order():
    base = moment()
    many = tuple(np.full(2, i, np.int64) for i in range(12))
    assert_same(snapshot.from_bytes(dataclasses.replace(base, fired=many).to_bytes()).fired, many)


def test_a_transposed_view_is_stored_as_it_reads():
    base = moment()
    turned = tuple(np.asfortranarray(weight) for weight in base.trained)
    assert not turned[0].flags.c_contiguous
    again = snapshot.from_bytes(dataclasses.replace(base, trained=turned).to_bytes())
    assert_same(again.trained, [np.ascontiguousarray(w) for w in turned])


def test_the_network_before_and_after_the_cut_are_both_there():
    one = moment()
    assert_same(one.before_cut().weights, one.trained)
    assert one.state.network().sparsity() == pytest.approx(
        1 - sum(k.sum() for k in one.state.kept) / 62 + (1 / 62 if one.state.kept[0][0, 0] else 0)
    )


def test_masks_take_one_bit_a_weight():
    big = np.ones((1000, 1000), bool)
    base = moment()
    weights = (np.zeros((1000, 1000), np.float32), *base.trained[1:])
    state = dataclasses.replace(base.state, kept=(big, *base.state.kept[1:]), weights=weights)
    size = len(dataclasses.replace(base, trained=weights, state=state).to_bytes())
    assert size < 4_000_000 + 125_000 + 10_000


def test_what_comes_back_is_read_only():
    two = snapshot.from_bytes(moment(True).to_bytes())
    for array in (*two.trained, *two.state.weights, *two.state.kept, *two.state.moments, *two.fired, two.class_sizes):
        assert not array.flags.writeable


def test_a_cut_only_ever_adds_zeros_and_counts_can_be_reset():
    state = moment().state
    all_kept = tuple(np.ones_like(kept) for kept in state.kept)
    assert_same(state.with_kept(all_kept).kept, state.kept)
    less = state.with_kept([np.zeros_like(state.kept[0]), *all_kept[1:]])
    assert not less.weights[0].any() and not less.kept[0].any()
    fresh = state.with_counts_reset()
    assert fresh.seen == 0 and not any(count.any() for count in fresh.fired) and fresh.weights is state.weights


def test_damaged_content_is_refused_and_never_crashes():
    whole = moment(True).to_bytes()
    length = int.from_bytes(whole[:8], "little")
    for content in (b"", b"abc", whole[:5], whole[:100], whole[: 8 + length], whole[:-1], whole + b"x", b"\xff" * 64):
        with pytest.raises(ValueError, match="not a snapshot of a run"):
            snapshot.from_bytes(content)


def test_another_safetensors_file_is_refused():
    import safetensors.numpy

    for metadata in (None, {"moment": "{}"}, {"moment": "[]"}, {"moment": "{"}, {"other": "x"}):
        content = safetensors.numpy.save({"weight.0": np.ones((2, 2), np.float32)}, metadata)
        with pytest.raises(ValueError, match="not a snapshot of a run"):
            snapshot.from_bytes(content)


def test_flipped_bits_in_the_header_never_raise_anything_but_value_error():
    whole = moment().to_bytes()
    length = int.from_bytes(whole[:8], "little")
    rng = np.random.default_rng(0)
    for place in rng.integers(0, 8 + length, 400):
        content = bytearray(whole)
        content[place] ^= 1 << int(rng.integers(8))
        try:
            snapshot.from_bytes(bytes(content))
        except ValueError as error:
            assert str(error)
