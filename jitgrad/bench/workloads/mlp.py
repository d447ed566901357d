"""`MLP`: a training step of 784-128-10 with Adam; sizes are batches, of which 16 take turns."""

import itertools

import numpy as np

from jitgrad.bench.workloads.rows import cross_entropy_jax
from jitgrad.bench.workloads.workload import Workload, normal

INPUTS, HIDDEN, CLASSES = 784, 128, 10
BATCHES = 16
RATE, BETA1, BETA2, EPS = 1e-3, 0.9, 0.999, 1e-8


def _arrays(rng, batch):
    first = normal(rng, INPUTS, HIDDEN) / np.float32(INPUTS**0.5)
    second = normal(rng, HIDDEN, CLASSES) / np.float32(HIDDEN**0.5)
    x = rng.random((BATCHES, batch, INPUTS), np.float32)
    return first, second, x, rng.integers(0, CLASSES, (BATCHES, batch))


def _torch(api, first, second, x, labels):
    torch, nn = api.torch, api.torch.nn
    model = nn.Sequential(nn.Linear(INPUTS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, CLASSES))
    with torch.no_grad():
        for layer, weight in ((model[0], first), (model[2], second)):
            layer.weight.copy_(api.tensor(np.ascontiguousarray(weight.T)))
            layer.bias.zero_()
    optimizer = torch.optim.Adam(
        model.parameters(), lr=RATE, betas=(BETA1, BETA2), eps=EPS, fused=True
    )
    criterion = nn.CrossEntropyLoss()

    @api.forward
    def value(x, labels):
        return criterion(model(x), labels)

    @api.step
    def step(x, labels):
        optimizer.zero_grad()
        loss = value(x, labels)
        loss.backward()
        optimizer.step()
        return loss

    pairs = zip(x, labels, strict=True)
    batches = itertools.cycle([(api.tensor(x), api.tensor(labels)) for x, labels in pairs])
    return lambda: step(*next(batches))


def _jax(jax, first, second, x, labels):
    jnp, tree = jax.numpy, jax.tree_util

    def value(params, x, labels):
        (w1, b1), (w2, b2) = params
        return cross_entropy_jax(jax, jax.nn.relu(x @ w1 + b1) @ w2 + b2, labels)

    def update(params, means, squares, count, x, labels):
        loss, grads = jax.value_and_grad(value)(params, x, labels)
        count = count + 1
        rate, scale = RATE / (1 - BETA1**count), 1 - BETA2**count
        means = tree.tree_map(lambda m, g: BETA1 * m + (1 - BETA1) * g, means, grads)
        squares = tree.tree_map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, squares, grads)
        params = tree.tree_map(
            lambda p, m, v: p - rate * m / (jnp.sqrt(v / scale) + EPS), params, means, squares
        )
        return (params, means, squares, count), loss

    step = jax.jit(update, donate_argnums=(0, 1, 2))
    params = [(jnp.array(w), jnp.zeros(w.shape[1], jnp.float32)) for w in (first, second)]
    zeros = [tree.tree_map(jnp.zeros_like, params) for _ in range(2)]
    state = (params, *zeros, jnp.float32(0))
    pairs = zip(x, labels, strict=True)
    batches = itertools.cycle([(jnp.array(x), jnp.array(labels)) for x, labels in pairs])

    def run():
        nonlocal state
        x, labels = next(batches)
        state, loss = step(*state, x, labels)
        jax.block_until_ready(state)
        return loss

    return run


MLP = Workload(
    name="mlp",
    about=f"{INPUTS}-{HIDDEN}-{CLASSES} + Adam: zero_grad, forward, backward, step",
    sizes=(64, 512),
    arrays=_arrays,
    torch=_torch,
    jax=_jax,
    tolerance=1e-4,
)
