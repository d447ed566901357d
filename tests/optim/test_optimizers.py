"""Every optimizer against its formula, step by step, and against PyTorch where installed."""

import numpy as np
import pytest

import jitgrad as jg
from jitgrad import optim

STEPS = 4


def sgd(p, grads, lr, momentum=0, dampening=0, weight_decay=0, nesterov=False):
    buffer = None
    for g in grads:
        g = g + weight_decay * p
        if momentum:
            buffer = g if buffer is None else momentum * buffer + (1 - dampening) * g
            g = g + momentum * buffer if nesterov else buffer
        p = p - lr * g
    return p


def adam(p, grads, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, w=False):
    m = v = largest = np.zeros_like(p)
    for t, g in enumerate(grads, 1):
        if w:
            p = p * (1 - lr * weight_decay)
        else:
            g = g + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        largest = np.maximum(largest, v)
        root = np.sqrt((largest if amsgrad else v) / (1 - betas[1] ** t)) + eps
        p = p - lr / (1 - betas[0] ** t) * m / root
    return p


def adamw(p, grads, weight_decay=1e-2, **options):
    return adam(p, grads, weight_decay=weight_decay, w=True, **options)


def rmsprop(p, grads, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False):
    square = mean = buffer = np.zeros_like(p)
    for g in grads:
        g = g + weight_decay * p
        square = alpha * square + (1 - alpha) * g * g
        mean = alpha * mean + (1 - alpha) * g
        change = g / (np.sqrt(square - mean**2 if centered else square) + eps)
        buffer = momentum * buffer + change
        p = p - lr * buffer
    return p


def adagrad(p, grads, lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10):
    total = np.full_like(p, initial_accumulator_value)
    for t, g in enumerate(grads):
        g = g + weight_decay * p
        total = total + g * g
        p = p - lr / (1 + t * lr_decay) * g / (np.sqrt(total) + eps)
    return p


CASES = [
    ("SGD", sgd, {"lr": 0.1}),
    ("SGD", sgd, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}),
    ("SGD", sgd, {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}),
    ("SGD", sgd, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("Adam", adam, {}),
    ("Adam", adam, {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", adam, {"lr": 0.1, "amsgrad": True}),
    ("AdamW", adamw, {}),
    ("AdamW", adamw, {"lr": 0.1, "weight_decay": 0.5, "amsgrad": True}),
    ("RMSprop", rmsprop, {}),
    ("RMSprop", rmsprop, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}),
    ("RMSprop", rmsprop, {"lr": 0.1, "centered": True, "alpha": 0.9}),
    ("Adagrad", adagrad, {}),
    ("Adagrad", adagrad, {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1}),
    ("Adagrad", adagrad, {"initial_accumulator_value": 0.5}),
]
each = pytest.mark.parametrize(
    "name, formula, options", CASES, ids=[f"{c[0]}-{'-'.join(c[2])}" for c in CASES]
)


def draw():
    """A start, and gradients that get smaller, so that amsgrad matters."""
    rng = np.random.default_rng(0)
    start = rng.standard_normal((3, 2))
    return start, [rng.standard_normal((3, 2)) / (t + 1) for t in range(STEPS)]


def run(module, name, start, grads, options):
    p = module.tensor(start, requires_grad=True)
    optimizer = getattr(module.optim, name)([p], **options)
    for grad in grads:
        p.grad = module.tensor(grad)
        optimizer.step()
    return p.detach().numpy()


@each
def test_formula(name, formula, options):
    start, grads = draw()
    expected = formula(start, grads, **({"lr": 1e-3} if name == "SGD" else {}) | options)
    np.testing.assert_allclose(run(jg, name, start, grads, options), expected, rtol=1e-10)
    ours = run(jg, name, start, [-g for g in grads], options | {"maximize": True})
    np.testing.assert_allclose(ours, expected, rtol=1e-10)


@each
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equals_torch(name, formula, options, dtype):
    torch = pytest.importorskip("torch", reason="PyTorch (torch) is not installed")
    start, grads = draw()
    start, grads = start.astype(dtype), [g.astype(dtype) for g in grads]
    ours, theirs = (run(m, name, start, grads, options) for m in (jg, torch))
    assert ours.dtype == dtype
    tolerance = 2e-6 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_dtypes_stay(name):
    p = jg.nn.Parameter(jg.ones(2, dtype=jg.float32))
    optimizer = getattr(optim, name)([p], lr=0.1, weight_decay=0.1)
    for _ in range(3):
        p.grad = jg.ones(2)
        optimizer.step()
    tensors = [v for v in optimizer.state[p].values() if isinstance(v, jg.Tensor)]
    assert p.dtype == jg.float32 and all(t.dtype == jg.float32 for t in tensors)


def test_arguments_are_refused():
    p = [jg.ones(1, requires_grad=True)]
    with pytest.raises(NotImplementedError, match="Adam: capturable"):
        optim.Adam(p, capturable=True)
    with pytest.raises(NotImplementedError, match="SGD: differentiable"):
        optim.SGD(p, differentiable=True)
    for name in ("SGD", "Adam", "AdamW", "Adagrad"):
        getattr(optim, name)(p, fused=True)
    for options, text in [
        ({"lr": -1}, "Invalid learning rate: -1"),
        ({"betas": (1.0, 0.9)}, "Invalid beta parameter at index 0: 1.0"),
        ({"eps": -1}, "Invalid epsilon value: -1"),
        ({"weight_decay": -1}, "Invalid weight decay value: -1"),
    ]:
        with pytest.raises(ValueError, match=text):
            optim.Adam(p, **options)
    with pytest.raises(ValueError, match="Nesterov"):
        optim.SGD(p, nesterov=True)
