"""Training steps with Adam: `MLP` (a classifier), `AUTOENCODER`.

Sizes are batches, of which 16 take turns.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from jitgrad.bench.workloads.rows import cross_entropy_jax
from jitgrad.bench.workloads.workload import Bar, Workload, normal

BATCHES = 16
RATE, BETA1, BETA2, EPS = 1e-3, 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class _Network:
    """Linear layers of these widths with ReLU between them.

    `batches(rng, number, size)` makes the inputs and what they are held against;
    `torch_loss(torch)` and `jax_loss(jax)` return the loss of (outputs, targets).
    """

    widths: tuple[int, ...]
    batches: Callable[..., tuple[np.ndarray, np.ndarray]]
    torch_loss: Callable[[Any], Callable[[Any, Any], Any]]
    jax_loss: Callable[[Any], Callable[[Any, Any], Any]]

    def arrays(self, rng, size):
        """A weight (inputs, outputs) for each layer, then inputs and targets of all batches."""
        pairs = itertools.pairwise(self.widths)
        weights = [normal(rng, *pair) / np.float32(pair[0] ** 0.5) for pair in pairs]
        return *weights, *self.batches(rng, BATCHES, size)

    def flops(self, size):
        """Of the products: forward, the weights' gradients, and the inputs' but for the first."""
        products = [a * b for a, b in itertools.pairwise(self.widths)]
        return 2 * size * (3 * sum(products) - products[0])

    def largest(self, size):
        """Elements of the largest tensor that a step reads: a batch or a weight."""
        weights = (a * b for a, b in itertools.pairwise(self.widths))
        return max(size * self.widths[0], *weights)

    def torch(self, api, *arrays):
        """The step in PyTorch's names."""
        *weights, inputs, targets = arrays
        torch, nn = api.torch, api.torch.nn
        layers: list[Any] = []
        for weight in weights:
            layers += [nn.ReLU()] if layers else []
            layers.append(nn.Linear(*weight.shape))
            with torch.no_grad():
                layers[-1].weight.copy_(api.tensor(np.ascontiguousarray(weight.T)))
                layers[-1].bias.zero_()
        model = nn.Sequential(*layers)
        optimizer = torch.optim.Adam(
            model.parameters(), lr=RATE, betas=(BETA1, BETA2), eps=EPS, fused=api.fused
        )
        criterion = self.torch_loss(torch)

        @api.forward
        def value(x, target):
            return criterion(model(x), target)

        @api.step
        def step(x, target):
            optimizer.zero_grad()
            loss = value(x, target)
            loss.backward()
            optimizer.step()
            return loss

        batches = itertools.cycle(_batches(api.tensor, inputs, targets))
        return lambda: step(*next(batches))

    def jax(self, jax, *arrays):
        """The same as one function that JAX compiles, its parameters donated."""
        *weights, inputs, targets = arrays
        jnp, tree = jax.numpy, jax.tree_util
        criterion = self.jax_loss(jax)

        def value(params, x, target):
            for i, (weight, bias) in enumerate(params):
                x = (jax.nn.relu(x) if i else x) @ weight + bias
            return criterion(x, target)

        def update(params, means, squares, count, x, target):
            loss, grads = jax.value_and_grad(value)(params, x, target)
            count = count + 1
            rate, scale = RATE / (1 - BETA1**count), 1 - BETA2**count
            means = tree.tree_map(lambda m, g: BETA1 * m + (1 - BETA1) * g, means, grads)
            squares = tree.tree_map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, squares, grads)
            params = tree.tree_map(
                lambda p, m, v: p - rate * m / (jnp.sqrt(v / scale) + EPS), params, means, squares
            )
            return (params, means, squares, count), loss

        step = jax.jit(update, donate_argnums=(0, 1, 2))
        params = [(jnp.array(w), jnp.zeros(w.shape[1], jnp.float32)) for w in weights]
        zeros = [tree.tree_map(jnp.zeros_like, params) for _ in range(2)]
        state = (params, *zeros, jnp.float32(0))
        batches = itertools.cycle(_batches(jnp.array, inputs, targets))

        def run():
            nonlocal state
            state, loss = step(*state, *next(batches))
            jax.block_until_ready(state)
            return loss

        return run


def _batches(tensor, inputs, targets):
    """Pairs of tensors: the same one twice where the inputs are the targets."""
    for x, target in zip(inputs, targets, strict=True):
        first = tensor(x)
        yield first, first if targets is inputs else tensor(target)


def _labelled(width, classes):
    def batches(rng, number, size):
        x = rng.random((number, size, width), np.float32)
        return x, rng.integers(0, classes, (number, size))

    return batches


def _itself(rng, number, size):
    x = normal(rng, number, size, 300)
    return x, x


def _classifier(*widths):
    return _Network(
        widths=widths,
        batches=_labelled(widths[0], widths[-1]),
        torch_loss=lambda torch: torch.nn.CrossEntropyLoss(),
        jax_loss=lambda jax: lambda outputs, labels: cross_entropy_jax(jax, outputs, labels),
    )


_CODER = _Network(
    widths=(300, 400, 10, 400, 300),
    batches=_itself,
    torch_loss=lambda torch: torch.nn.MSELoss(),
    jax_loss=lambda jax: lambda outputs, x: ((outputs - x) ** 2).mean(),
)


def _workload(name, network, sizes=(1,), **held):
    widths = "-".join(map(str, network.widths))
    return Workload(
        name=name,
        about=f"{widths} + Adam: zero_grad, forward, backward, step",
        sizes=sizes,
        arrays=network.arrays,
        torch=network.torch,
        jax=network.jax,
        optimizer=True,
        tolerance=1e-4,
        flops=network.flops,
        largest=network.largest,
        **held,
    )


ODD = {37: 64}
MLP = _workload(
    "mlp",
    _classifier(784, 128, 10),
    sizes=(64, 512),
    bars={64: Bar(0.55, "peers"), 512: Bar(0.8, "peers")},
    lazy={64: 1.3, 512: 1.0},
    odd=ODD,
)
AUTOENCODER = _workload(
    "autoencoder", _CODER, sizes=(64,), bars={64: Bar(0.75, "peers")}, lazy={64: 1.0}, odd=ODD
)
# The classifier's step with hardly anything to compute: what is left is the cost of saying it.
TINY = _workload("mlp 2-2-2", _classifier(2, 2, 2))
