"""Compiled equals lazy for what training code does: several optimizers, clipping, averages, ..."""

import gc
from types import SimpleNamespace

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.ir.node import Node
from jitgrad.runtime.pool import Buffer
from tests.frontend.compiled import batches, both, network, state


def loss_of(net, x, y):
    return jg.nn.functional.cross_entropy(net(x), y)


def test_results_that_share_memory():
    def scenario(run):
        weight = jg.tensor(np.arange(6.0, dtype=np.float32).reshape(2, 3))

        @run.compile
        def f(x):
            y = x * 2
            return y, y, y[0], y.t(), weight.t(), weight[0], weight, x.t(), x + weight, x + weight

        for i in range(5):
            result = f(jg.ones(2, 3) * i)
            result[0].add_(1)
            weight.add_(1)
            run.see(result, weight)

    assert both(scenario).replays


def test_two_optimizers():
    def scenario(run):
        a, b = network(), network()
        one = jg.optim.Adam(a.parameters(), lr=0.1)
        two = jg.optim.SGD(b.parameters(), lr=0.1, momentum=0.9)

        @run.compile
        def step(x):
            one.zero_grad()
            two.zero_grad()
            loss = (a(x) - b(x)).square().mean()
            loss.backward()
            one.step()
            two.step()
            return loss

        for i, (x, _) in enumerate(batches(8)):
            run.see(step(x), *state(a, one), *state(b, two))
            if i == 5:
                two.param_groups[0]["momentum"] = 0.5

    assert both(scenario).replays


def test_two_steps_in_one_call():
    def scenario(run):
        net = network()
        optimizer = jg.optim.Adam(net.parameters(), lr=0.1)

        @run.compile
        def step(x, y):
            for _ in range(2):
                optimizer.zero_grad()
                loss = loss_of(net, x, y)
                loss.backward()
                optimizer.step()
            return loss

        for x, y in batches(6):
            run.see(step(x, y), *state(net, optimizer))

    assert both(scenario).replays


def test_clipping():
    def scenario(run):
        net = network()
        optimizer = jg.optim.Adam(net.parameters(), lr=0.1)

        @run.compile
        def step(x, y):
            optimizer.zero_grad()
            loss_of(net, x, y).backward()
            norm = jg.nn.utils.clip_grad_norm_(net.parameters(), 0.1)
            optimizer.step()
            return norm

        for x, y in batches(6):
            run.see(step(x, y), *state(net, optimizer))

    assert both(scenario).replays


def test_updates_by_hand():
    def scenario(run):
        w = jg.ones(3, requires_grad=True)
        v = jg.ones(3, requires_grad=True)

        @run.compile
        def step(x):
            loss = ((w * x + v) ** 2).sum()
            loss.backward()
            with jg.no_grad():
                w.sub_(w.grad * 0.1)
                w.grad = None
            v.data -= 0.1 * v.grad.data
            v.grad.zero_()
            return loss

        for i in range(6):
            run.see(step(jg.ones(3) * i), w, w.grad, v, v.grad)

    assert both(scenario).replays


def test_gradients_of_gradients():
    def scenario(run):
        w = jg.ones(3, requires_grad=True)

        @run.compile
        def f(x):
            (d,) = jg.autograd.grad((w * x).sin().sum(), w, create_graph=True)
            d.square().sum().backward()
            return d.detach()

        for i in range(5):
            w.grad = None
            run.see(f(jg.ones(3) * i), w.grad)

    assert both(scenario).replays


@pytest.mark.parametrize("detached", [False, True])
@pytest.mark.parametrize("create", [False, True])
def test_the_gradient_of_a_leaf_made_inside(create, detached):
    def scenario(run):
        net = network()

        @run.compile
        def penalty(x):
            x = x.clone().requires_grad_()
            loss = net(x).sum()
            if create:
                (d,) = jg.autograd.grad(loss, x, create_graph=True)
                loss = loss + (d.norm(dim=1) - 1).square().mean()
            loss.backward()
            return loss.detach() if detached else loss

        for x, _ in batches(4):
            net.zero_grad()
            run.see(penalty(x), state(net))

    assert both(scenario).replays


@pytest.mark.parametrize("keep", [lambda x: x, lambda x: x.grad, lambda x: x.grad[0]])
def test_the_gradient_of_a_leaf_made_inside_that_is_kept(keep):
    def scenario(run):
        net, kept = network(), SimpleNamespace(it=None)

        @run.compile
        def step(x):
            x = x.detach().requires_grad_()
            loss = net(x).sum()
            loss.backward()
            kept.it = keep(x)
            return loss

        for x, _ in batches(4):
            net.zero_grad()
            loss = step(x)
            run.see(loss, kept.it if kept.it.grad is None else kept.it.grad, state(net))

    assert not both(scenario).replays


def test_an_average_of_the_weights():
    def scenario(run):
        net, average = network(), network()
        average.load_state_dict(net.state_dict())
        optimizer = jg.optim.SGD(net.parameters(), lr=0.1)

        @run.compile
        def step(x):
            optimizer.zero_grad()
            loss = (net(x) - average(x).detach()).square().mean() + net(x).sum()
            loss.backward()
            optimizer.step()
            with jg.no_grad():
                for a, b in zip(average.parameters(), net.parameters(), strict=True):
                    a.mul_(0.9).add_(b, alpha=0.1)
            return loss

        for x, _ in batches(7):
            run.see(step(x), *state(net, optimizer), *state(average))

    assert both(scenario).replays


def test_two_tensors_that_once_held_one_value():
    def scenario(run):
        a, b = jg.ones(3), jg.zeros(3)
        b.copy_(a)
        f = run.compile(lambda x: (a - b) * x)
        for i in range(10):
            if i == 6:
                a.add_(1)
            if i == 8:
                b.copy_(a)
            run.see(f(jg.ones(3)))

    assert both(scenario).replays


def test_saved_and_loaded_between_calls():
    def scenario(run):
        net = network()
        optimizer = jg.optim.Adam(net.parameters(), lr=0.1)

        @run.compile
        def step(x, y):
            optimizer.zero_grad()
            loss = loss_of(net, x, y)
            loss.backward()
            optimizer.step()
            return loss

        for i, (x, y) in enumerate(batches(10)):
            if i == 4:
                kept = {k: v.clone() for k, v in net.state_dict().items()}
                settings = optimizer.state_dict()
                settings["state"] = {
                    k: {n: v.clone() if isinstance(v, jg.Tensor) else v for n, v in own.items()}
                    for k, own in settings["state"].items()
                }
            if i == 7:
                net.load_state_dict(kept)
                optimizer.load_state_dict(settings)
            run.see(step(x, y), *state(net, optimizer))

    assert both(scenario).replays


def test_history_from_outside_runs_lazily():
    def scenario(run):
        w = jg.ones(3, requires_grad=True)
        holder = [w]

        @run.compile
        def f(x):
            (holder[0] * x).sum().backward()

        for i in range(6):
            holder[0] = w * 2
            f(jg.ones(3) * i)
            run.see(w.grad)

    assert not both(scenario).replays


def alive():
    """Tensors, nodes and buffers there are."""
    kinds = (jg.Tensor, Node, Buffer)
    return sum(issubclass(type(o), kinds) for o in gc.get_objects())


def test_a_step_leaves_nothing_behind():
    net = network()
    optimizer = jg.optim.Adam(net.parameters())

    @jg.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = loss_of(net, x, y)
        loss.backward()
        optimizer.step()
        return loss

    pairs = list(batches(4))
    for i in range(8):
        step(*pairs[i % 4])
    gc.collect()
    gc.disable()
    try:
        before = alive()
        for i in range(40):
            step(*pairs[i % 4])
        assert alive() == before
    finally:
        gc.enable()


def test_threads():
    import threading

    net = network()
    f = jg.compile(lambda x: net(x).detach())
    x, _ = next(batches(1))
    want = net(x).tolist()
    found = []

    def work():
        with jg.no_grad():
            found.extend(f(x).tolist() for _ in range(6))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == [want] * 18


def test_no_more_kernels_than_lazily():
    """Weight gradients come row-major from their products in both modes, for one."""

    def launched(compiled):
        net = jg.nn.Sequential(jg.nn.Linear(20, 8), jg.nn.ReLU(), jg.nn.Linear(8, 3))
        optimizer = jg.optim.Adam(net.parameters(), lr=0.1)

        def step(x, y):
            optimizer.zero_grad()
            loss = loss_of(net, x, y)
            loss.backward()
            optimizer.step()
            return loss

        step = jg.compile(step) if compiled else step
        x, y = jg.ones(4, 20), jg.tensor([0, 1, 2, 0])
        for _ in range(4):
            before = jg.stats()["kernels_run"]
            step(x, y).item()
        return jg.stats()["kernels_run"] - before

    assert launched(compiled=True) == launched(compiled=False)
