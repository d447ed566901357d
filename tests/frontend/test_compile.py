"""Compiled equals lazy, bit for bit, over several calls."""

import dataclasses

import numpy as np
import pytest

import jitgrad as jg
from tests.frontend.compiled import arrays, batches, both, network, state


def test_elementwise():
    def scenario(run):
        f = run.compile(lambda x, y: ((x * y + 1).tanh(), (x - y).sum(0)))
        for a, b in zip(arrays(5), arrays(5, seed=6), strict=True):
            run.see(f(jg.tensor(a), jg.tensor(b)))

    assert both(scenario).replays


@pytest.mark.parametrize(
    "make",
    [
        lambda p: jg.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
        lambda p: jg.optim.Adam(p, lr=0.01),
        lambda p: jg.optim.AdamW(p, lr=0.01, weight_decay=0.1),
        lambda p: jg.optim.RMSprop(p, lr=0.01),
        lambda p: jg.optim.Adagrad(p, lr=0.1),
    ],
    ids=["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"],
)
def test_training_step(make):
    def scenario(run):
        net = network(dropout=0.25)
        optimizer = make(net.parameters())

        @run.compile
        def step(x, y):
            optimizer.zero_grad()
            loss = jg.nn.functional.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            return loss

        for i, (x, y) in enumerate(batches(9)):
            if i == 5:
                optimizer.param_groups[0]["lr"] *= 0.5
            if i == 7:
                jg.manual_seed(4)
            run.see(step(x, y), *state(net, optimizer))

    run = both(scenario)
    assert run.replays
    assert not [r for r in jg.stats()["recompiles"] if r["function"] == run.function._name]


def test_a_scheduler_outside():
    def scenario(run):
        net = network()
        optimizer = jg.optim.Adam(net.parameters(), lr=0.05)
        scheduler = jg.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)

        @run.compile
        def step(x, y):
            optimizer.zero_grad()
            jg.nn.functional.cross_entropy(net(x), y).backward()
            optimizer.step()

        for x, y in batches(7):
            step(x, y)
            scheduler.step()
            run.see(*state(net, optimizer))

    assert both(scenario).replays


def test_accumulation():
    def scenario(run):
        net = network()
        optimizer = jg.optim.SGD(net.parameters(), lr=0.1)

        @run.compile
        def add(x, y):
            loss = jg.nn.functional.cross_entropy(net(x), y) / 2
            loss.backward()
            return loss.detach()

        for i, (x, y) in enumerate(batches(12)):
            run.see(add(x, y), *state(net))
            if i % 2:
                optimizer.step()
                optimizer.zero_grad()

    assert both(scenario).replays


def test_shapes_and_dtypes():
    def scenario(run):
        f = run.compile(lambda x: (x.sum(0), x * 2, x.shape[0]))
        for shape in [(3, 2), (1, 2), (0, 2), (5, 2), (5, 1), (3, 2), (1, 2), (0, 2)]:
            for _ in range(3):
                run.see(f(jg.ones(*shape)))
        for dtype in [jg.float64, jg.int32, jg.bool, jg.float32]:
            for _ in range(3):
                run.see(f(jg.ones(3, 2).to(dtype)))

    assert both(scenario).replays


def test_batches_cut_from_a_set():
    def scenario(run):
        data = jg.tensor(np.arange(60, dtype=np.float32).reshape(20, 3))
        f = run.compile(lambda x: (x, x.sum(1)))
        for i in [0, 4, 8, 12, 16]:
            run.see(f(data[i : i + 4]))
        for i in [0, 1]:
            run.see(f(data[i::5]))

    run = both(scenario)
    assert run.replays
    assert len(run.function._known) == 2


def test_one_batch_as_two_arguments():
    def scenario(run):
        data = jg.tensor(np.arange(60, dtype=np.float32).reshape(20, 3))
        f = run.compile(lambda x, y: (x * 2 - y, y))
        for i in [0, 4, 8, 12, 16]:
            batch = data[i : i + 4]
            run.see(f(batch, batch))
        run.see(f(data[:4], data[2:6]))

    run = both(scenario)
    assert run.replays
    assert len(run.function._known) == 2


def test_writes_to_views_of_one_memory_that_do_not_meet():
    def scenario(run):
        data = jg.arange(24.0).reshape(6, 4)

        def f(x, y):
            x.add_(1)
            y.mul_(x.sum())
            return y - x

        f = run.compile(f)
        for i in range(3):
            run.see(f(data[i], data[i + 3]), data)
            run.see(f(data[:, 0:2], data[:, 2:4]), data)

    both(scenario)


def test_arguments_of_all_kinds():
    @dataclasses.dataclass
    class Batch:
        x: jg.Tensor
        scale: float

    def scenario(run):
        def f(items, batch, *, table, flip=False, mode="sum"):
            out = items[0] * batch.scale + batch.x + table["w"]
            out = out.sum(0) if mode == "sum" else out.mean(0)
            return {"out": -out if flip else out, "n": len(items)}

        f = run.compile(f)
        for i in range(12):
            x = jg.ones(3) * i
            run.see(f([x, x], Batch(x + 1, 2.0 if i < 6 else 3.0), table={"w": x * 2}, flip=i > 8))
            run.see(f([x], Batch(x, 1.0), table={"w": x}, mode="mean"))

    assert both(scenario).replays


def test_arguments_that_share_memory():
    def scenario(run):
        @run.compile
        def f(x, y):
            x += 1
            return y * 2

        for i in range(9):
            x, y = jg.ones(3), jg.ones(3)
            run.see(f(x, x if 3 <= i < 6 else y), x, y)

    assert both(scenario).replays


def test_an_argument_that_is_also_in_the_closure():
    def scenario(run):
        kept = jg.ones(3)

        @run.compile
        def f(x):
            kept.add_(1)
            return x * 2

        for i in range(9):
            run.see(f(kept if 3 <= i < 6 else jg.ones(3)), kept)

    assert both(scenario).replays


def test_gradient_of_an_argument():
    def scenario(run):
        @run.compile
        def f(x):
            (x * x).sum().backward()
            return x.grad * 2

        for a in arrays(5):
            x = jg.tensor(a, requires_grad=True)
            run.see(f(x), x.grad)
            run.see(f(x), x.grad)

    assert both(scenario).replays


def test_memory_of_numpy():
    def scenario(run):
        memory = np.zeros(3, np.float32)
        outer = jg.from_numpy(memory)

        @run.compile
        def f(x):
            outer.add_(x)
            return outer * 2

        for i in range(5):
            result = f(jg.ones(3) * i)
            memory[0] += 1
            run.see(result, memory.copy())

    assert both(scenario).replays


def test_in_place_state():
    def scenario(run):
        net = jg.nn.Module()
        net.register_buffer("mean", jg.zeros(3))
        net.register_buffer("count", jg.tensor(0))

        @run.compile
        def f(x):
            net.mean.mul_(0.9).add_(x * 0.1)
            net.count += 1
            net.mean[0] = 5
            return net.mean.clone()

        for a in arrays(6, (3,)):
            run.see(f(jg.tensor(a)), net.mean, net.count)

    assert both(scenario).replays


def test_old_values_stay():
    def scenario(run):
        weight = jg.ones(3)
        kept = []

        @run.compile
        def f(x):
            weight.add_(x)
            return weight * 2

        for i in range(8):
            kept.append(f(jg.ones(3) * i))
            kept.append(weight.numpy())
            kept.append(weight.detach().clone())
        run.see(kept)

    assert both(scenario).replays


def test_a_copy_of_another_tensor():
    def scenario(run):
        source, target = jg.ones(3), jg.zeros(3)

        @run.compile
        def f(x):
            target.copy_(source)
            source.add_(x)
            return source - target

        for i in range(6):
            run.see(f(jg.ones(3) * i), source, target)

    assert both(scenario).replays


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.clone().add_(1),
        lambda x: x.clone().zero_(),
        lambda x: x.detach().clone().uniform_(),
        lambda x: jg.zeros(3).copy_(x).mul_(2),
        lambda x: _set(x.clone()),
    ],
    ids=["add_", "zero_", "uniform_", "copy_", "an element"],
)
def test_a_copy_made_inside_that_is_written(change):
    def scenario(run):
        f = run.compile(lambda x: (change(x), x * 1))
        for a in arrays(5, (3,)):
            x = jg.tensor(a)
            run.see(*f(x), x)

    assert both(scenario).replays


def _set(x):
    x[1] = 5.0
    return x


def test_averages_that_begin_as_copies():
    """The two hold one value when the first call begins, and one of them is written."""

    def scenario(run):
        weights = [jg.tensor(a, requires_grad=True) for a in arrays(2)]
        averages = [w.detach().clone() for w in weights]

        @run.compile
        def update(tau):
            with jg.no_grad():
                for w, average in zip(weights, averages, strict=True):
                    average.lerp_(w, tau)
                    w.mul_(0.5)

        for i in range(8):
            update(0.1 * (i // 3))
            run.see(weights, averages)

    assert both(scenario).replays


@pytest.mark.parametrize("written", [False, True])
def test_an_argument_and_its_copy(written):
    def scenario(run):
        f = run.compile(lambda x, y: (x.add_(1) if written else x * 2) + y)
        for a in arrays(6):
            x = jg.tensor(a)
            y = x.clone()
            run.see(f(x, y), x, y)

    assert both(scenario).replays


def test_generators():
    def scenario(run):
        own = jg.Generator().manual_seed(3)

        @run.compile
        def f(x):
            return x + jg.rand(3), jg.randn(3, generator=own), jg.randint(0, 9, (2,))

        for i in range(8):
            if i == 5:
                jg.manual_seed(1)
                own.manual_seed(9)
            run.see(f(jg.ones(3)))
            jg.rand(1)

    assert both(scenario).replays


def test_methods_and_nesting():
    class Model:
        def __init__(self, scale):
            self.scale = scale

        @jg.compile
        def inner(self, x):
            return x * self.scale

    def scenario(run):
        one, two = Model(2.0), Model(3.0)

        @run.compile
        def f(x):
            return one.inner(x) + two.inner(x).tanh()

        for i in range(6):
            if i == 4:
                two.scale = 4.0
            run.see(f(jg.ones(3) * i), one.inner(jg.ones(2)), two.inner(jg.ones(2)))

    assert both(scenario).replays


def test_modes():
    def scenario(run):
        weight = jg.ones(3, requires_grad=True)
        f = run.compile(lambda x: weight * x)
        for i in range(4):
            run.see(f(jg.ones(3) * i))
            with jg.no_grad():
                run.see(f(jg.ones(3) * i))
            with jg.mode("eager"):
                run.see(f(jg.ones(3) * i))

    assert both(scenario).replays


def test_side_effects_run_again():
    def scenario(run):
        log, counter = [], {"calls": 0}

        @run.compile
        def f(x):
            counter["calls"] += 1
            log.append(x * 2)
            return x + counter["calls"]

        for i in range(6):
            run.see(f(jg.ones(3) * i), counter["calls"], log)

    both(scenario)


def test_a_backward_a_second_time_raises():
    net = network()

    @jg.compile
    def f(x):
        loss = net(x).square().sum()
        loss.backward()
        return loss

    for x, _ in batches(5):
        loss = f(x)
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()
