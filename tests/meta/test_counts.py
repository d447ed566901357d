"""Bytes, operations and memory of plans, against what they are by hand."""

import pytest

import jitgrad as jg
from jitgrad import nn
from jitgrad.nn import functional as F
from tests.meta.test_meta import added, meta

F32, I64 = 4, 8


def of(tensor):
    """(bytes, operations, most bytes held) of one expression."""
    found = jg.debug.explain(tensor)
    return found.bytes, found.flops, found.peak_bytes


# ---- one expression of odd sizes

M, K, N = 37, 101, 53
EXPRESSIONS = {
    # what is read and written, in elements; operations
    "product": (lambda a, b: a @ b, M * K + K * N + M * N, 2 * M * K * N),
    "product, left transposed": (lambda a, b: a.t().contiguous().t() @ b, None, 2 * M * K * N),
    "bias and activation": (
        lambda a, b: ((a @ b) + b[0]).relu(), M * K + K * N + N + M * N, 2 * M * K * N + 3 * M * N
    ),
    "elements": (lambda a, b: a * 2 + 1, 2 * M * K, 2 * M * K),
    "rows broadcast": (lambda a, b: a + a[0], 2 * M * K + K, M * K),
    "every other row": (lambda a, b: a[::2] + 1, 2 * 19 * K, 19 * K),
    "one row": (lambda a, b: a[3] * 2, 2 * K, K),
    "sum": (lambda a, b: a.sum(0), M * K + K, M * K),
    "sum of products": (lambda a, b: (a * a).sum(1), M * K + M, 2 * M * K),
    "running sum": (lambda a, b: a.cumsum(0), 2 * M * K, M * K),
    "copy": (lambda a, b: a.t().contiguous(), 2 * M * K, 0),
    "joined": (lambda a, b: jg.cat([a, a * 2]), 3 * M * K, M * K),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_expression(name):
    make, elements, operations = EXPRESSIONS[name]
    nbytes, flops, _ = of(make(meta(M, K), meta(K, N)))
    assert flops == operations
    assert elements is None or nbytes == F32 * elements


def test_the_product_holds_its_operands_and_result():
    assert of(meta(M, K) @ meta(K, N))[2] == F32 * (M * K + K * N + M * N)


def test_a_table_counts_the_rows_that_are_read():
    table, index = meta(50_000, 64), meta(5, dtype=jg.int64)
    nbytes, _, held = of(table[index])
    assert nbytes == 5 * I64 + 2 * 5 * 64 * F32
    assert held == 50_000 * 64 * F32 + 5 * I64 + 5 * 64 * F32


# ---- a training step

B, INPUTS, HIDDEN, CLASSES = 61, 784, 128, 10


@pytest.fixture(scope="module")
def perceptron():
    """(its parameters, its inputs, one step of SGD; two have been)."""
    with jg.device("meta"):
        model = nn.Sequential(nn.Linear(INPUTS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, CLASSES))
        given = jg.empty(B, INPUTS), jg.empty(B, dtype=jg.int64)
    optimizer = jg.optim.SGD(model.parameters(), lr=0.1)

    def step():
        optimizer.zero_grad()
        F.cross_entropy(model(given[0]), given[1]).backward()
        optimizer.step()

    step(), step()
    return [*model.parameters()], given, step


def loss_alone():
    """What the loss and its gradient add, from logits that are there."""
    logits = meta(B, CLASSES, requires_grad=True)
    target = meta(B, dtype=jg.int64)
    return added(lambda: F.cross_entropy(logits, target).backward(), "meta")


def test_operations_of_a_training_step(perceptron):
    parameters, _, step = perceptron
    first, second = 2 * B * INPUTS * HIDDEN, 2 * B * HIDDEN * CLASSES
    products = 2 * first + 3 * second  # the inputs get no gradient
    hidden = 3 * B * HIDDEN + B * HIDDEN  # bias, <=, where; where of the gradient
    biases = B * CLASSES + B * HIDDEN + B * CLASSES  # added once, two sums
    update = 2 * sum(p.numel() for p in parameters)
    by_hand = products + hidden + biases + update + loss_alone()["flops"]
    assert added(step, "meta")["flops"] == by_hand


def test_bytes_of_a_training_step(perceptron):
    parameters, _, step = perceptron
    w1, b1, w2, b2 = (p.numel() for p in parameters)
    x, h, y = B * INPUTS, B * HIDDEN, B * CLASSES
    forward = F32 * (x + w1 + b1 + h) + h + F32 * (h + w2 + b2 + y)  # the mask: a byte each
    backward = F32 * (y + w2 + h) + h  # of the hidden layer
    gradients = F32 * (h + x + w1 + b1) + F32 * (y + h + w2 + b2)  # sums of rows ride along
    update = F32 * 2 * (w1 + w2) + F32 * 3 * (b1 + b2)  # of a weight in the product's kernel
    by_hand = forward + backward + gradients + update + loss_alone()["bytes"]
    assert added(step, "meta")["bytes"] == by_hand


def test_memory_of_a_training_step(perceptron):
    parameters, given, step = perceptron
    held = sum(t.nbytes for t in (*parameters, *given))
    results = 2 * sum(p.nbytes for p in parameters)  # gradients, new parameters
    # While the gradient of the hidden layer is computed: that, the layer, its mask, two of logits.
    between = B * HIDDEN * (2 * F32 + 1) + 2 * B * CLASSES * F32
    peak = jg.debug.explain(step).peak_bytes
    assert held + results + between <= peak <= held + results + 1.05 * between
    assert added(step, "meta")["live_bytes"] == 0  # gradients take the place of gradients


# ---- a scan is planned step by step


def scanned(steps):
    """What the gradient of a recurrent layer's weight adds."""
    w, h = meta(16, 16, requires_grad=True), meta(8, 16)
    x = meta(steps, 8, 16)

    def layer(h, x):
        h = (x + h @ w).tanh()
        return h, h

    return added(lambda: jg.scan(layer, h, x)[1].square().sum().backward(), "meta")


def test_a_scan_grows_by_its_steps():
    few, more, most = (scanned(n) for n in (10, 20, 30))
    assert most["flops"] - more["flops"] == more["flops"] - few["flops"]
    products = 3 * 2 * 8 * 16 * 16  # forward, for the state before and for the weight
    each = (more["flops"] - few["flops"]) / 10
    assert products < each < 1.25 * products
    assert most["bytes"] - more["bytes"] == pytest.approx(more["bytes"] - few["bytes"], rel=0.01)
