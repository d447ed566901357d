"""Compiled functions whose results are differentiated outside: losses, blocks, whole models."""

import gc

import numpy as np
import pytest

import jitgrad as jg
from jitgrad import nn
from jitgrad.ir.node import Node
from jitgrad.nn import functional as F
from jitgrad.runtime.pool import Buffer
from tests.frontend.compiled import arrays, batches, both, network, state


def test_a_loss_function():
    def scenario(run):
        net = network(dropout=0.25)
        optimizer = jg.optim.Adam(net.parameters(), lr=0.1)
        loss_of = run.compile(lambda x, y: F.cross_entropy(net(x), y))
        for x, y in batches(7):
            optimizer.zero_grad()
            loss = loss_of(x, y)
            loss.backward()
            optimizer.step()
            run.see(loss, *state(net, optimizer))

    assert both(scenario).replays


def test_a_model():
    def scenario(run):
        net = network()
        f = run.compile(net)
        for x, _ in batches(6):
            net.zero_grad()
            f(x).square().sum().backward()
            run.see(*state(net))

    assert both(scenario).replays


def test_gradients_that_accumulate():
    def scenario(run):
        net = network()
        f = run.compile(lambda x: net(x).square().mean())
        for x, _ in batches(8):
            f(x).backward()
            f(x * 2).backward()
            run.see(*state(net))

    assert both(scenario).replays


def test_one_block_twice_in_one_graph():
    """What each use adds to a gradient arrives in the order that recording gives."""

    def scenario(run):
        w = jg.tensor(arrays(1, (5, 5))[0], requires_grad=True)
        block = run.compile(lambda x: (x @ w).tanh() @ w)
        for x in arrays(6, (4, 5)):
            w.grad = None
            y = block(block(jg.tensor(x))) + jg.tensor(x) @ w
            (y.square().sum() * 0.3).backward()
            run.see(y, w.grad)

    assert both(scenario).replays


def test_between_layers_that_are_not_compiled():
    def scenario(run):
        first, last, inner = nn.Linear(6, 5), nn.Linear(5, 3), nn.Linear(5, 5)
        values = iter(arrays(20, (6, 6)))
        with jg.no_grad():
            for p in (first.weight, last.weight, inner.weight):
                p.copy_(jg.tensor(next(values)[: p.shape[0], : p.shape[1]]))
                p.mul_(0.5)
            for layer in (first, last, inner):
                layer.bias.zero_()
        block = run.compile(lambda h: F.gelu(inner(h)) + h)
        modules = (first, inner, last)
        for x, y in batches(6):
            for module in modules:
                module.zero_grad()
            loss = F.cross_entropy(last(block(first(x).tanh())), y)
            loss.backward()
            run.see(loss, *[p.grad for module in modules for p in module.parameters()])

    assert both(scenario).replays


def test_an_argument_that_requires_grad():
    def scenario(run):
        f = run.compile(lambda x, y: (x * y).sin().sum())
        for a, b in zip(arrays(6), arrays(6, seed=8), strict=True):
            x, y = jg.tensor(a, requires_grad=True), jg.tensor(b, requires_grad=True)
            f(x, y).backward()
            run.see(x.grad, y.grad)
            z = f(x * 2, (y + x)[:2].sum(0))  # with histories, one of them a view's
            z.backward()
            run.see(z, x.grad, y.grad)

    assert both(scenario).replays


def test_several_results():
    def scenario(run):
        net = network()
        w = jg.ones(3, requires_grad=True)

        @run.compile
        def f(x):
            h = net[0](x).tanh()
            out = net[2](h)
            return {"h": h, "out": out * w, "rows": [out.sum(1), x * 2], "count": 3}

        for x, _ in batches(6):
            net.zero_grad()
            w.grad = None
            found = f(x)
            h, out = found["h"], found["out"]
            run.see(found, *jg.autograd.grad(out.sum(), h, retain_graph=True))
            (out.square().sum() + found["rows"][0].sum() + h.sum()).backward()
            run.see(*state(net), w.grad)

    assert both(scenario).replays


def test_results_of_which_one_is_left_out():
    def scenario(run):
        a, b = jg.ones(3, requires_grad=True), jg.ones(3, requires_grad=True)

        @run.compile
        def f(x):
            shared = (a * x).exp()
            return (shared * b).sum(), (shared * 2).sum()

        for i in range(6):
            a.grad = b.grad = None
            one, two = f(jg.arange(3.0) * 0.1 * i)
            two.backward(retain_graph=True)
            run.see(a.grad, b.grad)
            one.backward()
            run.see(a.grad, b.grad)
            with pytest.raises(RuntimeError, match="second time"):
                two.backward()

    assert both(scenario).replays


def test_views_as_results():
    def scenario(run):
        w = jg.tensor(arrays(1)[0], requires_grad=True)

        @run.compile
        def f(x):
            y = (x * w).exp()
            return y.T[1:], y.reshape(-1)

        for x in arrays(6):
            w.grad = None
            a, b = f(jg.tensor(x))
            (a.sum() + (b * b).sum()).backward()
            run.see(a, b, w.grad)

    assert both(scenario).replays


def test_a_view_of_an_argument():
    def scenario(run):
        f = run.compile(lambda x: x.reshape(2, 6).T)
        for a in arrays(6):
            x = jg.tensor(a, requires_grad=True)
            y = x * 3
            z = f(y)
            (z * jg.arange(2.0)).sum().backward()
            run.see(z, x.grad)

    assert both(scenario).replays


@pytest.mark.parametrize("make", ["an argument", "a part of one", "what the function keeps"])
def test_writes_to_a_returned_view_are_history_of_its_base(make):
    def scenario(run):
        w = jg.ones(4, requires_grad=True)
        kept = jg.tensor(arrays(1)[0])
        f = run.compile(lambda x: ((kept if x is None else x).view(-1), w.detach()))
        for a in arrays(4):
            w.grad = None
            base = jg.tensor(a)
            x = {"an argument": base, "a part of one": base[1:]}.get(make)
            view, detached = f(x)
            view[:4].mul_(w)
            (kept if x is None else x).square().sum().backward()
            run.see(x, kept, w.grad, detached)
            kept.detach_()

    assert both(scenario).replays == (make != "a part of one")


def test_writes_to_a_result():
    def scenario(run):
        w = jg.ones(3, 4, requires_grad=True)
        f = run.compile(lambda x: (x * w).exp())
        for x in arrays(6):
            w.grad = None
            y = f(jg.tensor(x))
            z = y[0]
            y.mul_(2)
            z.add_(1)
            y.square().sum().backward()
            run.see(y, z, w.grad)

    assert both(scenario).replays


def test_values_are_those_of_the_call():
    """Parameters, arguments and NumPy's memory may change before backward."""

    def scenario(run):
        w = jg.ones(3, requires_grad=True)
        array = np.ones(3, np.float32)
        memory, data = jg.from_numpy(array), jg.arange(30.0).reshape(10, 3)
        f = run.compile(lambda x, scale, rows: (w * x).exp() * scale * rows)
        for i in range(6):
            w.grad = None
            x = jg.arange(3.0) * 0.1
            y = f(x, memory, data[i : i + 2])
            with jg.no_grad():
                w.mul_(1.5)
                x.zero_()
                array += 1
                data[i].fill_(100.0)
            y.sum().backward()
            run.see(y, w, w.grad)

    assert both(scenario).replays


def test_dropout_and_draws():
    def scenario(run):
        w = jg.ones(40, requires_grad=True)
        f = run.compile(lambda x: (F.dropout(x * w, 0.5) + jg.rand(40) * w).sum())
        for i in range(6):
            w.grad = None
            first, second = f(jg.ones(40) * i), f(jg.ones(40))
            (first + second).backward()
            run.see(first, second, w.grad)

    assert both(scenario).replays


def test_backward_more_than_once():
    def scenario(run):
        w = jg.ones(3, requires_grad=True)
        f = run.compile(lambda x: (w * x).exp().sum())
        for i in range(6):
            w.grad = None
            y = f(jg.arange(3.0) * i)
            y.backward(retain_graph=True)
            (y * 0.5).backward()
            run.see(w.grad)
            with pytest.raises(RuntimeError, match="second time"):
                y.backward()

    assert both(scenario).replays


def test_gradients_of_gradients():
    def scenario(run):
        net = network()
        f = run.compile(lambda x: net(x).square().sum())
        for x, _ in batches(6):
            net.zero_grad()
            x.requires_grad_()
            y = f(x)
            (g,) = jg.autograd.grad(y, x, create_graph=True)
            (g.square().sum() + y).backward()
            run.see(g, *state(net), x.grad)

    assert both(scenario).replays


def test_gradients_of_some():
    def scenario(run):
        a, b = jg.ones(3, requires_grad=True), jg.ones(3, requires_grad=True)
        f = run.compile(lambda x: (a * x + b * b).sum())
        for i in range(6):
            y = f(jg.arange(3.0) * i)
            run.see(*jg.autograd.grad(y, b, retain_graph=True))
            y.backward(inputs=[a])
            run.see(a.grad, b.grad)
            a.grad = None

    assert both(scenario).replays


def test_hooks_on_what_is_outside():
    def scenario(run):
        w = jg.ones(3, requires_grad=True)
        w.register_hook(lambda g: g * 2)
        seen = []
        w.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.clone()))
        f = run.compile(lambda x: (w * x).exp())
        for i in range(6):
            w.grad = None
            y = f(jg.arange(3.0) * 0.1 * i)
            y.register_hook(lambda g: g * 3)
            y.retain_grad()
            y.sum().backward()
            run.see(w.grad, y.grad, seen[-1])

    assert both(scenario).replays


def test_frozen_and_unfrozen():
    def scenario(run):
        net = network()
        f = run.compile(lambda x: net(x).square().sum())
        for i, (x, _) in enumerate(batches(12)):
            net[0].weight.requires_grad_(i < 4 or i > 8)
            net.zero_grad()
            f(x).backward()
            run.see(*state(net))

    assert both(scenario).replays


def test_modes():
    def scenario(run):
        w = jg.ones(3, requires_grad=True)
        f = run.compile(lambda x: (w * x).exp().sum())
        for i in range(5):
            for grad, mode in ((True, "lazy"), (False, "lazy"), (True, "eager")):
                with jg.set_grad_enabled(grad), jg.mode(mode):
                    y = f(jg.arange(3.0) * i)
                    run.see(y)
                    if grad:
                        y.backward()
            run.see(w.grad)

    assert both(scenario).replays


def test_backward_inside_a_compiled_step():
    """Of a result of another compiled function, which was called outside: runs lazily."""

    def scenario(run):
        w = jg.ones(3, requires_grad=True)
        loss_of = jg.compile(lambda x: (w * x).exp().sum())

        @run.compile
        def step(loss):
            loss.backward()

        for i in range(6):
            w.grad = None
            step(loss_of(jg.arange(3.0) * i))
            run.see(w.grad)

    both(scenario)


def test_a_compiled_loss_inside_a_compiled_step():
    def scenario(run):
        net = network()
        optimizer = jg.optim.SGD(net.parameters(), lr=0.1)
        loss_of = jg.compile(lambda x, y: F.cross_entropy(net(x), y))

        @run.compile
        def step(x, y):
            optimizer.zero_grad()
            loss = loss_of(x, y)
            loss.backward()
            optimizer.step()
            return loss

        for x, y in batches(6):
            run.see(step(x, y), *state(net, optimizer))

    assert both(scenario).replays


def test_a_rule_of_its_own():
    """Layer norm has one, with constants that are worked out again for the gradient's gradient."""

    def scenario(run):
        net = network()
        scale, shift = jg.ones(3, requires_grad=True), jg.zeros(3, requires_grad=True)
        f = run.compile(lambda x, y: F.cross_entropy(F.layer_norm(net(x), (3,), scale, shift), y))
        for i, (x, y) in enumerate(batches(8)):
            net.zero_grad()
            scale.grad = shift.grad = None
            x.requires_grad_()
            loss = f(x, y)
            if i % 3 == 2:  # the gradient's gradient
                (g,) = jg.autograd.grad(loss, x, create_graph=True)
                loss = loss + g.square().sum()
            loss.backward()
            run.see(loss, *state(net), scale.grad, shift.grad, x.grad)

    assert both(scenario).replays


class Doubled(jg.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return g * 2


@pytest.mark.parametrize("what", ["function", "hook", "leaf"])
def test_histories_that_only_python_can_make(what):
    def scenario(run):
        w = jg.ones(3, requires_grad=True)

        @run.compile
        def f(x):
            y = w * x
            if what == "function":
                y = Doubled.apply(y)
            elif what == "hook":
                y.register_hook(lambda g: g * 3)
            else:
                y = y * jg.ones(3).requires_grad_()
            return y.sum()

        for i in range(6):
            w.grad = None
            f(jg.arange(3.0) * i).backward()
            run.see(w.grad)

    why = {"function": "the gradient of Doubled is Python", "hook": "a hook", "leaf": "a leaf"}
    run = both(scenario)
    assert why[what] in run.lazy[0]


def test_gradients_cost_no_recording():
    net = network()
    f = jg.compile(lambda x, y: F.cross_entropy(net(x), y))
    pairs = list(batches(5))
    for x, y in pairs:
        net.zero_grad()
        f(x, y).backward()
    before = jg.stats()["schedules"]
    loss = f(*pairs[0])
    net.zero_grad()
    loss.backward()
    after = jg.stats()
    assert after["schedules"] == before
    assert all(p.grad._storage.node.realised for p in net.parameters())


def test_nothing_is_left_behind():
    net = network()
    optimizer = jg.optim.SGD(net.parameters(), lr=0.1)
    f = jg.compile(lambda x, y: F.cross_entropy(net(x), y))
    pairs = list(batches(4))

    def step(i):
        optimizer.zero_grad()
        f(*pairs[i % 4]).backward()
        optimizer.step()

    for i in range(8):
        step(i)
    gc.collect()
    gc.disable()
    try:
        before = _alive()
        for i in range(40):
            step(i)
        assert _alive() == before
    finally:
        gc.enable()


def _alive():
    kinds = (jg.Tensor, Node, Buffer)
    return sum(issubclass(type(o), kinds) for o in gc.get_objects())
