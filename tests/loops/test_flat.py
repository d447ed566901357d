"""Short forms of the long loops of `python -m tests.loops`, and very long chains."""

import gc
import sys

import pytest

import jitgrad as torch
from tests.loops.loops import LOOPS, aging, data, network, steady
from tests.loops.measure import CYCLE, Watch, calls, live_nodes, made
from tests.loops.turns import raced


@pytest.fixture(autouse=True)
def interpreted(request, monkeypatch):
    """No machine code unless a test is `compiled`."""
    if "compiled" not in request.fixturenames:
        monkeypatch.setenv("JITGRAD_JIT", "0")


@pytest.fixture
def compiled():
    """For a test that runs machine code."""


@pytest.fixture
def one_thread():
    """Without waiting at barriers, which other processes make long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    "name, mode", [*((n, "lazy") for n in LOOPS), ("training", "eager"), ("counting", "eager")]
)
def test_loops_are_flat(name, mode, compiled, one_thread):
    with torch.mode(mode):
        watch = Watch(LOOPS[name](), 6 * CYCLE, warm=CYCLE, samples=2)
        watch.run(CYCLE)
        early = calls(watch.step, CYCLE)
        watch.run(5 * CYCLE)
        late = calls(watch.step, CYCLE)
    course = watch.course()
    assert course.news == (0, 0), "something was planned or built after the third flush"
    assert course.nodes[1] <= 1.02 * course.nodes[0] + 4
    assert course.grown <= 1.02
    assert late <= 1.01 * early  # time itself: `python -m tests.loops`


def test_taking_turns_tells_a_slope_from_noise():
    pace, _ = raced(steady, "lazy")
    assert 0.95 < pace.slower < 1.05
    pace, _ = raced(aging, "lazy")
    assert 1.1 < pace.slower < 1.3


def test_a_thousand_steps_without_the_garbage_collector(compiled, one_thread):
    step = LOOPS["training"]()
    for _ in range(20):
        step()
    torch.flush_all()
    gc.collect()
    gc.disable()
    try:
        before, nodes = len(gc.get_objects()), live_nodes()
        for _ in range(1000):
            step()
        torch.flush_all()
        assert live_nodes() == nodes
        assert len(gc.get_objects()) <= before + 50
    finally:
        gc.enable()


def test_cuts_fall_at_the_same_step_each_time():
    x, _ = data()
    x.realize()

    def flushes():
        total, seen = torch.zeros(()), []
        for i in range(300):
            before = torch.stats()["flushes"]
            total = total + x.sum()
            if torch.stats()["flushes"] != before:
                seen.append(i)
        torch.flush_all()
        return seen

    flushes()
    first = flushes()
    assert first == flushes()
    assert len(first) in (4, 5)


@pytest.mark.parametrize("ops", [20_000, pytest.param(200_000, marks=pytest.mark.slow)])
def test_a_long_loop_at_the_default_recursion_limit(ops, compiled, one_thread):
    assert sys.getrecursionlimit() == 1000
    x = torch.ones(2, requires_grad=True)
    y = x
    for _ in range(ops // 2):
        y = y * 1.0 + 0.0  # cut every 64 links; the tape keeps an Edge an op
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    del y
    gc.collect()


@pytest.mark.parametrize("nodes", [20_000, pytest.param(200_000, marks=pytest.mark.slow)])
def test_a_long_pending_graph(nodes, monkeypatch):
    from jitgrad.frontend import pending

    monkeypatch.setattr(pending, "LINKS", 1 << 40)
    gc.collect()  # what other tests left
    before = live_nodes()
    x = torch.ones(2, requires_grad=True)
    y = x
    for _ in range(nodes // 2):  # backward records the other half
        y = -y
    assert live_nodes() - before >= nodes // 2
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    assert y.tolist() == [1.0, 1.0]
    del y, x
    gc.collect()
    assert live_nodes() <= before + 100


def test_a_pending_graph_that_is_never_run_dies_too(monkeypatch):
    from jitgrad.frontend import pending

    monkeypatch.setattr(pending, "LINKS", 1 << 40)
    gc.collect()  # what other tests left
    before = live_nodes()
    y = torch.ones(2)
    for _ in range(200_000):
        y = y + 1
    del y
    assert live_nodes() <= before + 10


def test_shared_graphs_take_time_by_nodes_not_by_paths():
    x = torch.ones((), requires_grad=True)
    a, b = x, x * 0
    for _ in range(100):  # 10^20 paths
        a, b = (a + b) * 0.5, a
    a.backward()
    assert 0 < x.grad.item() <= 1


def test_evaluation_in_the_middle_of_training_makes_nothing_new(compiled, one_thread):
    train, count = LOOPS["training"](), LOOPS["counting"]()
    for _ in range(140):
        train()
        count()
    before = made()
    for _ in range(140):
        train()
        count()
    assert made() == before


def test_a_model_and_its_optimizer_die(compiled):
    model = network(dropout=False)
    x, t = data()
    optimizer = torch.optim.Adam(model.parameters())
    loss = torch.nn.functional.cross_entropy(model(x), t)
    loss.backward()
    optimizer.step()
    torch.flush_all()
    gc.collect()
    gc.disable()
    try:
        before = live_nodes()
        del model, optimizer, loss, x, t
        assert live_nodes() < before
    finally:
        gc.enable()
