"""What a compiled function does to Python's objects happens at every call, as it does lazily."""

from types import SimpleNamespace

import pytest

import jitgrad as jg
from tests.frontend.compiled import both


def _counters(run):
    """Attributes of objects met in a loop; nothing reads them."""
    meters = [SimpleNamespace(n=0), SimpleNamespace(n=0)]

    def f(x):
        for meter in meters:
            meter.n += 1
        return x * 2

    return f, lambda: [m.n for m in meters]


def _returned(run):
    meter = SimpleNamespace(n=0)
    meters = [meter]

    def get():
        return meters[0]

    def f(x):
        get().n += 1
        return x * 2

    return f, lambda: meter.n


def _hook(run):
    """A counter that only a gradient's hook sees."""
    calls = [0]
    w = jg.ones(3, requires_grad=True)

    def count(grad):
        calls[0] += 1

    w.register_hook(count)

    def f(x):
        w.grad = None
        (w * x).sum().backward()
        return w.grad * 1

    return f, lambda: calls[0]


def _step(after, change):
    def make(run):
        w = jg.ones(3, requires_grad=True)
        optimizer = jg.optim.SGD([w], lr=0.1)

        def f(x):
            if not after:
                change(optimizer.param_groups)
            optimizer.zero_grad()
            (w * x).sum().backward()
            optimizer.step()
            if after:
                change(optimizer.param_groups)
            return w * 1

        return f, lambda: optimizer.param_groups[0]["lr"]

    return make


def _decay(groups):
    for group in groups:
        group["lr"] *= 0.5


def _constant(groups):
    for group in groups:
        group["lr"] = 0.25


@pytest.mark.parametrize(
    "make",
    [
        _counters, _returned, _hook,
        _step(False, _decay), _step(True, _decay), _step(False, _constant),
    ],
    ids=["counters", "returned", "hook", "decay before", "decay after", "a constant"],
)  # fmt: skip
def test_at_every_call(make):
    def scenario(run):
        f, seen = make(run)
        compiled = run.compile(f)
        for i in range(6):
            run.see(compiled(jg.ones(3) * i), seen())

    run = both(scenario)
    assert not run.replays
    assert run.lazy[0].startswith("it changes ")


def test_a_learning_rate_given_to_the_step():
    def scenario(run):
        w = jg.ones(3, requires_grad=True)
        optimizer = jg.optim.SGD([w], lr=0.1)

        @run.compile
        def step(x, lr):
            for group in optimizer.param_groups:
                group["lr"] = lr
            optimizer.zero_grad()
            (w * x).sum().backward()
            optimizer.step()

        for i in range(9):
            step(jg.ones(3) * i, 0.1 / (i // 3 + 1))
            run.see(w, optimizer.param_groups[0]["lr"])

    both(scenario)


class _Settings(dict):
    """Settings as attributes, in the way that is common."""

    __getattr__ = dict.get
    __setattr__ = dict.__setitem__


class _Anything:
    """An object that has every attribute."""

    def __init__(self):
        self.__dict__["values"] = {"scale": 2.0}

    def __getattr__(self, name):
        return self.values.get(name)


@pytest.mark.parametrize("nested", [False, True])
def test_settings_that_are_attributes(nested):
    def scenario(run):
        settings = _Settings(model=_Settings(scale=2.0)) if nested else _Settings(scale=2.0)
        own = settings.model if nested else settings

        @run.compile
        def f(x):
            return x * (settings.model if nested else settings).scale

        for i in range(8):
            if i == 4:
                own.scale = 3.0
            run.see(f(jg.ones(3) * i))

    assert both(scenario).replays


def test_an_object_that_has_every_attribute():
    def scenario(run):
        settings = _Anything()
        f = run.compile(lambda x: x * settings.scale)
        for i in range(8):
            if i == 4:
                settings.values["scale"] = 3.0
            run.see(f(jg.ones(3) * i))

    assert both(scenario).replays


def test_attributes_named_like_those_of_a_module():
    holder = SimpleNamespace(_modules=None, _buffers=5, scale=2.0)
    f = jg.compile(lambda x: x * holder.scale)
    assert [f(jg.ones(1) * i).item() for i in range(4)] == [0.0, 2.0, 4.0, 6.0]


def test_an_optimizer_in_a_scan_is_refused():
    w = jg.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="scan: an optimizer's step in the function"):
        jg.scan(lambda h, x: (h, jg.optim.SGD([w], lr=0.1).step()), jg.zeros(2), jg.ones(3, 2))


def test_the_number_of_threads_is_not_asked_for():
    def shared(x):
        return x * jg.get_num_threads()

    with pytest.raises(RuntimeError, match=r"get_num_threads\(\) at .* inside a compiled function"):
        jg.compile(shared)(jg.ones(1))
    lazily = jg.compile(shared, fallback=True)
    before = jg.get_num_threads()
    try:
        for n in (2, 2, 2, 1):
            jg.set_num_threads(n)
            assert lazily(jg.ones(1)).item() == n
    finally:
        jg.set_num_threads(before)
