"""Network: forward pass by hand and against torch, what counts as zero and alive, shrinking without a change."""

import numpy as np
import pytest
import torch
from small import network

from core.network import ROWS_AT_ONCE, Network

# Two inputs, three hidden neurons, two outputs: small enough to work out by hand.
THREE = Network([[[1, -1], [2, 0], [0, 0]], [[1, 0, 1], [0, 1, -1]]], [[0, -1, 3], [0.5, 0]])


def test_three_neurons_by_hand():
    x = [[1, 0], [0, 1]]
    np.testing.assert_array_equal(THREE.activations(x)[0], [[1, 1, 3], [0, 0, 3]])
    np.testing.assert_array_equal(THREE.forward(x), [[4.5, -2], [3.5, -3]])
    assert THREE.predict(x).tolist() == [0, 0]
    assert THREE.accuracy(x, np.array([0, 1])) == 0.5
    assert THREE.hidden == (3,)


def test_sparsity_counts_all_weights_and_no_bias():
    assert THREE.sparsity() == pytest.approx(5 / 12)
    assert THREE.hidden_sparsity() == pytest.approx(3 / 6)


def test_alive_means_fed_and_a_way_out_leads_to_an_output():
    assert THREE.alive()[0].tolist() == [True, True, False]
    chain = Network(
        [[[1], [1], [0]], [[1, 0, 0], [0, 1, 1]], [[1, 0]]], [np.zeros(3), np.zeros(2), np.zeros(1)]
    )  # the second neuron of layer 2 leads nowhere, and so does what leads to it alone
    assert [layer.tolist() for layer in chain.alive()] == [[True, True, False], [True, True]]
    assert [layer.tolist() for layer in chain.with_way_out()] == [[True, False, False], [True, False]]


def test_forward_equals_torch():
    net = network(1, (20, 30, 10, 5))
    x = np.random.default_rng(0).random((50, 20), dtype=np.float32)
    signal = torch.tensor(x)
    for layer, (weight, bias) in enumerate(zip(net.weights, net.biases, strict=True)):
        signal = torch.nn.functional.linear(signal, torch.tensor(weight), torch.tensor(bias))
        signal = signal.relu() if layer < 2 else signal
        if layer < 2:
            np.testing.assert_allclose(net.activations(x)[layer], signal.numpy(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(net.forward(x), signal.numpy(), rtol=1e-5, atol=1e-5)


def test_predicting_in_parts_equals_predicting_at_once():
    net = network(2, (4, 3, 5))
    x = np.random.default_rng(0).random((ROWS_AT_ONCE + 7, 4), dtype=np.float32)
    np.testing.assert_array_equal(net.predict(x), net.forward(x).argmax(1))
    assert net.predict(x[:0]).shape == (0,)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("zeros", [0.0, 0.5, 0.8, 1.0])
def test_shrinking_changes_no_output(seed, zeros):
    net = network(seed, (6, 7, 5, 6, 3), zeros)
    if seed % 2:  # output weights may be zero too
        last = net.weights[-1] * (np.random.default_rng(seed).random(net.weights[-1].shape) > 0.6)
        net = Network([*net.weights[:-1], last], net.biases)
    x = np.random.default_rng(seed).normal(size=(40, 6))
    small = net.shrink()
    np.testing.assert_allclose(small.forward(x), net.forward(x), rtol=1e-5, atol=1e-5)
    assert all(w.any(axis=1).all() for w in small.weights[:-1])  # every neuron left is fed
    assert all(w.any(axis=0).all() for w in small.weights[1:])  # and used
    assert small.shrink().hidden == small.hidden


def test_the_constant_of_an_unfed_neuron_moves_into_the_next_bias():
    small = THREE.shrink()
    assert small.hidden == (2,)
    np.testing.assert_array_equal(small.biases[1], [3.5, -3])  # 0.5 + 3 and 0 - 3


def test_a_network_whose_layer_died_shrinks_to_its_constant():
    dead = Network([[[0, 0]], [[1]]], [[2], [1]])
    assert dead.shrink().hidden == (0,)
    np.testing.assert_array_equal(dead.shrink().forward(np.ones((2, 2))), [[3], [3]])


def test_arrays_are_frozen_float32_and_independent_of_the_callers():
    weight = np.ones((2, 3), np.float32)
    net = Network([weight, np.ones((1, 2))], [np.zeros(2), np.zeros(1)])
    weight[0, 0] = 7
    assert net.weights[0][0, 0] == 1 and net.weights[1].dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        net.weights[0][0, 0] = 3
    again = Network(net.weights, net.biases)
    assert again.weights[0] is net.weights[0] or np.shares_memory(again.weights[0], net.weights[0])


@pytest.mark.parametrize(
    "weights, biases, words",
    [
        ([], [], "0 weight matrices and 0 biases"),
        ([np.ones((2, 3))], [], "1 weight matrices and 0 biases"),
        ([np.ones(3)], [np.ones(3)], r"layer 1 has weights of shape \(3,\)"),
        ([np.ones((2, 3))], [np.ones(3)], r"layer 1 has weights of shape \(2, 3\) and biases of shape \(3,\)"),
        ([np.ones((2, 3)), np.ones((1, 3))], [np.ones(2), np.ones(1)], "layer 2 takes 3 inputs but layer 1 has 2"),
    ],
)
def test_shapes_that_do_not_chain_are_refused(weights, biases, words):
    with pytest.raises(ValueError, match=words):
        Network(weights, biases)
