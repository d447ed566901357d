"""Composed functions and optimizer steps are recorded as Calls, which change nothing but the cost:
what a Call is expanded to is what its ops record one by one."""

import gc
import math
import sys
import weakref

import numpy as np
import pytest

import jitgrad as jg
from jitgrad import nn
from jitgrad.compiler import snapshot
from jitgrad.frontend import bodies, composing, updates
from jitgrad.frontend.calls import CallEdge
from jitgrad.ir import call as calls
from jitgrad.ir.node import walk
from jitgrad.nn import functional as F
from jitgrad.runtime import flush

F32 = np.random.RandomState(5).standard_normal((4, 6)).astype(np.float32)
TARGET = np.array([1, 5, 0, 2])


@pytest.fixture(autouse=True)
def lazy():
    gc.collect()
    with jg.mode("lazy"):
        yield


@pytest.fixture
def plain(monkeypatch):
    """`with plain():` ops are recorded one by one."""

    def enter():
        context = pytest.MonkeyPatch.context()

        class Plain:
            def __enter__(self):
                m = context.__enter__()
                m.setattr(composing, "_signature", lambda *_: None)
                m.setattr(updates.Updates, "record", lambda *_: False)

            def __exit__(self, *details):
                context.__exit__(*details)

        return Plain()

    return enter


def leaf(values=F32):
    x = jg.tensor(values, requires_grad=values.dtype.kind == "f")
    x.detach().numpy()
    return x


def key_of(*tensors):
    """The structural key of the graph below some tensors."""
    return snapshot.take([t._storage.node for t in tensors]).key


FUNCTIONS = {
    "softmax": lambda x, w: F.softmax(x, 1),
    "log_softmax": lambda x, w: F.log_softmax(x, 0),
    "gelu": lambda x, w: F.gelu(x),
    "gelu tanh": lambda x, w: F.gelu(x, approximate="tanh"),
    "relu": lambda x, w: F.relu(x),
    "silu": lambda x, w: F.silu(x),
    "elu": lambda x, w: F.elu(x, 0.5),
    "leaky_relu": lambda x, w: F.leaky_relu(x),
    "softplus": lambda x, w: F.softplus(x, beta=2.0),
    "clamp": lambda x, w: x.clamp(-0.5, max=0.5),
    "linear": lambda x, w: F.linear(x, w, w[:, 0]),
    "linear, no bias": lambda x, w: F.linear(x, w),
    "layer_norm": lambda x, w: F.layer_norm(x, (6,), w[0], w[1]),
    "batch_norm": lambda x, w: F.batch_norm(x, None, None, w.sum(0), w.sum(0), True),
    "batch_norm by running moments": lambda x, w: F.batch_norm(x, w.sum(0), (w * w).sum(0)),
    "rms_norm": lambda x, w: F.rms_norm(x, [6], w[0]),
    "cross_entropy": lambda x, w: F.cross_entropy(x, jg.tensor(TARGET)),
    "nll_loss": lambda x, w: F.nll_loss(x, jg.tensor(TARGET), reduction="sum"),
    "mse_loss": lambda x, w: F.mse_loss(x, w),
    "huber_loss": lambda x, w: F.huber_loss(x, w),
    "kl_div": lambda x, w: F.kl_div(x, w.sigmoid(), reduction="batchmean"),
    "bce": lambda x, w: F.binary_cross_entropy_with_logits(x, jg.ones(4, 6)),
    "einsum": lambda x, w: jg.einsum("ij,kj->ik", x, w),
    "logsumexp": lambda x, w: x.logsumexp(1),
    "max": lambda x, w: x.max(1).values,
    "sort": lambda x, w: x.sort(1)[0],
    "norm": lambda x, w: x.norm(dim=0),
    "power": lambda x, w: x**3,
    "lerp": lambda x, w: x.lerp(w, 0.25),
    "cumsum": lambda x, w: x.cumsum(1),
    "tril": lambda x, w: x.tril(),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_expands_to_what_its_ops_record(name, plain):
    fn = FUNCTIONS[name]
    x, w = leaf(), leaf(F32[::-1].copy())
    fn(x, w)  # the signature is known from here on
    y = fn(x, w)
    assert y._storage.node.op.kind in ("call", "movement"), "one record"
    with plain():
        one_by_one = fn(x, w)
    assert one_by_one._storage.node.op.kind != "call"
    assert key_of(y) == key_of(one_by_one)
    found = [node.site for node in walk([y._storage.node])]
    assert found == [node.site for node in walk([fn(x, w)._storage.node])]


ONE_WAY = ("softmax", "relu", "linear", "cross_entropy", "mse_loss", "cumsum", "max")


@pytest.mark.parametrize("name", ONE_WAY)
def test_backward_expands_to_what_its_rules_record(name, plain):
    """Functions through which one path leads to each argument; where there are several, a Call adds
    them up before it hands them on."""
    fn = FUNCTIONS[name]

    def gradients():
        x, w = leaf(), leaf(F32[::-1].copy())
        y = fn(x, w)
        y.backward(jg.ones(*y.shape))
        return [t.grad for t in (x, w) if t.grad is not None]

    gradients()
    called = gradients()
    assert any(g._storage.node.op is calls.PART for g in called)
    with plain():
        one_by_one = gradients()
    assert key_of(*called) == key_of(*one_by_one)
    assert all(node.op is not calls.PART for node in walk([g._storage.node for g in one_by_one]))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_modes_agree_to_the_last_bit(name):
    def run(read):
        x, w = leaf(), leaf(F32[::-1].copy())
        y = FUNCTIONS[name](x * 1.5, w)
        if read:
            y.tolist()  # what backward needs is kept
        (y * y + x.sum()).sum().backward()
        first = [y.detach().numpy(), x.grad.numpy()]
        x.grad = None
        y = FUNCTIONS[name](x * 1.5, w)
        (g,) = jg.autograd.grad((y * y).sum(), x, create_graph=True)
        second = [g.detach().numpy()]
        if g.requires_grad:
            g.square().sum().backward()
            second.append(x.grad.numpy())
        return [a.tobytes() for a in first + second]

    with jg.mode("eager"):
        want = run(False)
    assert run(False) == run(True) == run(True) == want


NUMBERS = {
    "dropout": lambda x, t: F.dropout(x, t),
    "leaky_relu": lambda x, t: F.leaky_relu(x, t),
    "elu": lambda x, t: F.elu(x, t),
    "softplus": lambda x, t: F.softplus(x, t, 1 + t),
    "clamp": lambda x, t: x.clamp(-t, max=t),
    "layer_norm": lambda x, t: F.layer_norm(x, (6,), eps=t),
    "batch_norm": lambda x, t: F.batch_norm(x, jg.zeros(6), jg.ones(6), None, None, True, t, t),
    "smooth_l1_loss": lambda x, t: F.smooth_l1_loss(x, jg.zeros(4, 6), beta=t),
    "huber_loss": lambda x, t: F.huber_loss(x, jg.zeros(4, 6), delta=t),
    "cross_entropy": lambda x, t: F.cross_entropy(x, jg.tensor(TARGET), label_smoothing=t),
    "lerp": lambda x, t: x.lerp(x * 2, t),
}


@pytest.fixture
def recordings(monkeypatch):
    """The functions recorded for a Call, one item a time."""
    seen = []

    def record(function, *rest, original=bodies.record):
        seen.append(function.fn.__name__)
        return original(function, *rest)

    monkeypatch.setattr(bodies, "record", record)
    return seen


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_that_change_record_nothing_anew(name, recordings, plain):
    def run(t):
        jg.manual_seed(3)
        x = leaf()
        y = NUMBERS[name](x * 1.5, t)
        (g,) = jg.autograd.grad((y * y).sum(), x, create_graph=True)
        found = [y.detach(), g.detach()]
        if g.requires_grad:
            g.square().sum().backward()
            found.append(x.grad)
        return [v.numpy().tobytes() for v in found]

    values = [0.25, 0.5, 0.125, 0.75, 0.375]
    found = [run(t) for t in values]
    assert len(recordings) <= 2 * len(set(recordings)), "once, and once more to make sure"
    with jg.mode("eager"):
        assert [run(t) for t in values] == found
    with plain():
        assert [run(t)[0] for t in values] == [first for first, *_ in found]
    assert len({tuple(v) for v in found}) == len(values)


def test_numbers_that_decide_are_told_apart(recordings):
    def sign(x, t, u):
        return (x * t if t > 0 else x) + u

    def root(x, t, u):
        return x * math.sqrt(t) + u

    x = leaf()
    for fn in (sign, root):
        use = composing.as_call()(fn)
        for t in (4.0, 9.0, 0.25, 4.0, 0.0, -0.0):
            for u in (1.0, 2.0):
                want = F32 * np.float32(math.sqrt(t) if fn is root else t if t > 0 else 1)
                assert use(x, t, u).tolist() == (want + np.float32(u)).tolist()
        assert recordings.count(fn.__name__) >= 10, "by value"
    with pytest.raises(ValueError, match="math domain error"):
        use(x, -1.0, 0.0)


def test_running_moments_are_results_of_the_call():
    def run():
        x, mean, var = leaf(), jg.zeros(6), jg.ones(6)
        for momentum in (0.1, 0.5):
            y = F.batch_norm(x, mean, var, training=True, momentum=momentum)
            assert jg.get_mode() == "eager" or y._storage.node.op is calls.PART
        y.sum().backward()
        return [t.detach().numpy().tobytes() for t in (y, mean, var, x.grad)]

    with jg.mode("eager"):
        want = run()
    assert run() == run() == want


def test_hooks_and_names():
    x = leaf()
    y = F.softmax(x, 1)
    assert isinstance(y.grad_fn, CallEdge) and y.grad_fn.name() == "SoftmaxBackward0"
    assert [e.name() for e, _ in y.grad_fn.next_functions] == ["AccumulateGrad"]
    seen = []
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.retain_grad()
    y.backward(jg.ones(4, 6), retain_graph=True)
    assert seen == [[[1.0] * 6] * 4] and y.grad.tolist() == [[1.0] * 6] * 4
    y.backward(jg.ones(4, 6))
    with pytest.raises(RuntimeError, match="softmax .recorded at .*test_calls.py"):
        y.backward(jg.ones(4, 6))


def test_signatures_are_told_apart(plain):
    x, ints = leaf(), jg.tensor(TARGET)
    uses = [
        lambda: x.clamp(min=0.0), lambda: x.clamp(min=-0.0), lambda: x.clamp(max=0.0),
        lambda: x.clamp(min=0), lambda: x**2, lambda: x**2.0, lambda: x**2.5,
        lambda: x.detach() ** 2, lambda: ints**2, lambda: ints.double() ** 2,
        lambda: ints.clamp(min=1), lambda: ints.clamp(min=1.5), lambda: x[:2] ** 2,
        lambda: F.softmax(x, 0), lambda: F.softmax(x, 1), lambda: F.gelu(x, approximate="tanh"),
        lambda: F.layer_norm(x, (6,)), lambda: F.layer_norm(x, (6,), eps=0.5),
        lambda: F.layer_norm(x, (4, 6)),
    ]  # fmt: skip

    def outcome(use):
        y = use()
        return str(y.dtype), y.requires_grad, y.detach().numpy().tobytes()

    found = [outcome(use) for _ in range(2) for use in uses]
    with plain():
        assert found == [outcome(use) for use in uses] * 2
    with jg.no_grad():
        assert not (x**2).requires_grad
    jg.set_default_dtype(jg.float64)
    try:
        assert ints.logit().dtype is jg.float64
    finally:
        jg.set_default_dtype(jg.float32)
    assert ints.logit().dtype is jg.float32


def test_errors_and_indices_are_at_the_line_of_the_use():
    x = leaf()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="linear: an input of shape"):
            F.linear(x, jg.ones(3, 3))
        line = sys._getframe().f_lineno + 1
        loss = F.cross_entropy(x, jg.tensor([0, 1, 2, 9]))
        with pytest.raises(IndexError, match=rf"index 9 .*\n.*test_calls\.py:{line}"):
            loss.item()


def test_a_result_asked_for_alone_and_later_the_others():
    x = leaf()
    values, index = x.sort(1)
    assert index.tolist() == np.argsort(F32, 1, kind="stable").tolist()
    assert values.tolist() == np.sort(F32, 1).tolist()
    values, index = x.sort(1)
    kept = values * 1
    assert values.tolist() == np.sort(F32, 1).tolist()
    assert kept.tolist() == values.tolist()
    del values
    assert index.tolist() == np.argsort(F32, 1, kind="stable").tolist()


def test_backward_lets_go_of_what_was_saved():
    w = leaf()
    x = jg.tensor(F32) * 2
    x.realize()
    node = weakref.ref(x._storage.node)
    loss = F.mse_loss(F.softmax(x * w, 1), jg.zeros(4, 6))
    del x
    assert node() is not None
    loss.backward()
    w.grad.realize()
    loss.realize()
    assert node() is None


def test_no_cycles():
    x, w = leaf(), leaf(F32[:1].copy())
    gc.collect()
    gc.disable()
    try:
        nodes = []
        for k in range(4):
            y = F.rms_norm(F.gelu(x * w), (6,))
            nodes.append(weakref.ref(y._storage.node))
            nodes.append(weakref.ref(y.grad_fn))
            if k == 1:
                y.tolist()
            if k > 1:
                y.sum().backward()
            x.grad = w.grad = None
            del y
        assert [n() for n in nodes] == [None] * len(nodes)
    finally:
        gc.enable()


def test_long_graphs():
    """From as many lines, so that nothing cuts it; nothing in it is recursive."""
    lines = {"F": F, "y": leaf()}
    exec("y = F.softplus(y)\n" * 3000, lines)
    y = lines.pop("y")
    y.sum().backward()
    assert len(walk([y._storage.node])) > 20_000
    lines["y"] = y
    exec("y = F.softplus(y)\n" * 3000, lines)  # not expanded when it dies


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(6, 5), nn.Linear(5, 6)
        self.norm = nn.LayerNorm(5)

    def forward(self, x):
        return self.two(F.dropout(F.gelu(self.norm(self.one(x))), 0.2))


OPTIMIZERS = {
    "adam": lambda p: jg.optim.Adam(p, lr=0.01, weight_decay=0.1),
    "adamw": lambda p: jg.optim.AdamW(p, lr=0.01, amsgrad=True),
    "sgd": lambda p: jg.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "rmsprop": lambda p: jg.optim.RMSprop(p, lr=0.01, centered=True, maximize=True),
    "adagrad": lambda p: jg.optim.Adagrad(p, lr=0.01),
}


def train(make, compiled=False):
    jg.manual_seed(1)
    net = Net()
    optimizer = make(net.parameters())
    scheduler = jg.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)

    def step(x, labels):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), labels)
        loss.backward()
        optimizer.step()
        return loss

    step = jg.compile(step) if compiled else step
    for _ in range(6):
        step(jg.tensor(F32), jg.tensor(TARGET)).item()
        scheduler.step()
    return [p.detach().numpy().tobytes() for p in net.parameters()]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_steps_agree(name, plain):
    want = train(OPTIMIZERS[name])
    assert train(OPTIMIZERS[name], compiled=True) == want
    with jg.mode("eager"):
        assert train(OPTIMIZERS[name]) == want


def test_a_step_is_one_call(monkeypatch):
    made = []
    original = updates.Call
    monkeypatch.setattr(updates, "Call", lambda *a: made.append(original(*a)) or made[-1])
    params = [leaf(), leaf(F32[0].copy())]
    optimizer = jg.optim.Adam(params, lr=0.1)
    for k in range(3):
        for p in params:
            p.grad = p.detach() * k
        optimizer.param_groups[0]["lr"] = 0.1 / (k + 1)
        optimizer.step()
    assert len(made) == 3 and len({id(c.body) for c in made}) == 1
    params[0].grad = None  # another signature
    params[1].grad = jg.ones(6)
    optimizer.step()
    assert len(made) == 4 and made[3].body.count == 4


def test_parameters_that_share_memory_are_updated_in_order(plain):
    def run():
        base = jg.tensor(F32)
        params = [base[0].detach().requires_grad_(), base[0].detach().requires_grad_()]
        optimizer = jg.optim.SGD(params, lr=0.5)
        for p in params:
            p.grad = jg.ones(6)
        optimizer.step()
        return params[0].tolist(), base.tolist()

    found = run()
    with plain():
        assert run() == found
    assert np.allclose(found[0], F32[0] - 1)


def test_reads_between_forward_and_backward_find_their_plan(monkeypatch):
    known = []

    def again(sight, original=flush.again):
        known.append(original(sight))
        return known[-1]

    monkeypatch.setattr(flush, "again", again)
    flush.forget()
    net, x, labels = Net(), jg.tensor(F32), jg.tensor(TARGET)
    found = []
    for _ in range(8):  # a graph that was looked into is another one: that takes a few rounds
        known.clear()
        jg.manual_seed(2)
        loss = F.cross_entropy(net(x), labels)
        read = [loss.item()]
        loss.backward()
        found.append([*read, *[p.grad.tolist() for p in net.parameters()]])
        net.zero_grad()
    assert len(known) == 7 and all(known)
    assert all(values == found[0] for values in found)
