"""The alternatives to our epoch. Each function stands alone, written as its library's documentation does: paste it and it runs.

All take the same: images `x` `(n, inputs)` float32 and labels `y` `(n,)` int64 as NumPy arrays, `sizes` such as
(784, 300, 200, 100, 50, 10), the batch size and the learning rate; all give a function that trains one epoch. None counts.
"""


def dataloader(x, y, sizes, batch, rate):
    """PyTorch's quickstart: `nn.Sequential`, a shuffling `DataLoader`, `CrossEntropyLoss`, `torch.optim.SGD`.
    https://docs.pytorch.org/tutorials/beginner/basics/quickstart_tutorial.html"""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    loader = DataLoader(TensorDataset(torch.tensor(x), torch.tensor(y)), batch_size=batch, shuffle=True)
    layers = []
    for inputs, units in zip(sizes, sizes[1:], strict=False):
        layers += [nn.Linear(inputs, units), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    loss_of = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)

    def epoch():
        model.train()
        for images, labels in loader:
            loss = loss_of(model(images), labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

    return epoch


def autograd(x, y, sizes, batch, rate):
    """As tight as autograd gets: preloaded tensors, one shuffle an epoch, batches as views of it, no modules, updates in
    place."""
    import torch
    from torch.nn import functional

    images, labels = torch.tensor(x), torch.tensor(y)
    layers = [torch.nn.Linear(inputs, units) for inputs, units in zip(sizes, sizes[1:], strict=False)]
    layers = [(layer.weight, layer.bias) for layer in layers]
    parameters = [parameter for layer in layers for parameter in layer]

    def epoch():
        order = torch.randperm(len(images))
        for rows in order.split(batch):
            signal = images[rows]
            for weight, bias in layers[:-1]:
                signal = functional.linear(signal, weight, bias).relu_()
            loss = functional.cross_entropy(functional.linear(signal, *layers[-1]), labels[rows])
            gradients = torch.autograd.grad(loss, parameters)
            with torch.no_grad():
                for parameter, gradient in zip(parameters, gradients, strict=True):
                    parameter.add_(gradient, alpha=-rate)

    return epoch


def autograd_on_all_cores(x, y, sizes, batch, rate):
    """The same loop with one thread per core, which is PyTorch's default. Ours and all others run on one."""
    import os

    import torch

    one_core = autograd(x, y, sizes, batch, rate)

    def epoch():
        torch.set_num_threads(os.cpu_count() or 1)
        one_core()
        torch.set_num_threads(1)

    return epoch


def scikit_learn(x, y, sizes, batch, rate):
    """`MLPClassifier`, plain SGD; `partial_fit` is one pass over the data.
    https://scikit-learn.org/stable/modules/generated/sklearn.neural_network.MLPClassifier.html"""
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        hidden_layer_sizes=tuple(sizes[1:-1]), solver="sgd", alpha=0.0, batch_size=batch, learning_rate_init=rate,
        momentum=0.0, nesterovs_momentum=False,
    )  # fmt: skip
    classes = list(range(sizes[-1]))

    def epoch():
        model.partial_fit(x, y, classes=classes)

    return epoch


def keras(x, y, sizes, batch, rate):
    """Keras as its guide has it: `Sequential`, `compile`, `fit`, on the backend that it finds (KERAS_BACKEND).
    https://keras.io/guides/training_with_built_in_methods/"""
    import keras

    hidden = [keras.layers.Dense(units, activation="relu") for units in sizes[1:-1]]
    model = keras.Sequential([keras.Input((sizes[0],)), *hidden, keras.layers.Dense(sizes[-1])])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.SGD(rate), loss=loss)

    def epoch():
        model.fit(x, y, batch_size=batch, epochs=1, verbose=0)

    return epoch


def products(x, y, sizes, batch, rate, in_first=False):
    """Not training but its limit: only the matrix products of each step (forward, backward, gradients), into buffers that
    exist, always on the same batch. in_first: weights lie as `(inputs, units)`, else as `(units, inputs)`, as PyTorch has
    them."""
    import torch

    values = [torch.rand(batch, size) for size in sizes]
    calls = []
    for layer, (inputs, units) in enumerate(zip(sizes, sizes[1:], strict=False)):
        weight = torch.rand(inputs, units) if in_first else torch.rand(units, inputs)
        ahead, back = (weight, weight.T) if in_first else (weight.T, weight)
        below, above = values[layer], values[layer + 1]
        gradient = (below.T, above) if in_first else (above.T, below)
        calls.append((below, ahead, torch.empty(batch, units)))
        calls.append((*gradient, torch.empty_like(weight)))
        if layer:
            calls.append((above, back, torch.empty(batch, inputs)))
    steps = -(-len(x) // batch)

    def epoch():
        for _ in range(steps):
            for left, right, out in calls:
                torch.mm(left, right, out=out)

    return epoch
