"""`scan`: what it refuses; an index that is wrong at one step; a result that two threads read."""

import threading

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.runtime import flush


@pytest.fixture(autouse=True)
def interpreted(monkeypatch):
    """Kernels run interpreted: these tests are about meaning, and tiny."""
    monkeypatch.setenv("JITGRAD_JIT", "0")


@pytest.mark.parametrize("wrap", [lambda f: f, jg.compile], ids=["lazy", "compiled"])
@pytest.mark.parametrize("wrong", [9, -7])
def test_an_index_out_of_range_is_named_with_its_size(wrap, wrong):
    table = jg.arange(5.0)

    def picked(at):
        return jg.scan(lambda total, i: (total + table[i], None), jg.tensor(0.0), at)[0]

    run = wrap(picked)
    for _ in range(3):
        assert run(jg.tensor([1, 4, -1])).item() == 9
    with pytest.raises(IndexError, match=rf"index {wrong} is out of range \[-5, 5\)"):
        run(jg.tensor([1, wrong, 2])).item()
    assert run(jg.tensor([1, 4, -1])).item() == 9


def test_a_scan_that_another_thread_computes_meanwhile(monkeypatch):
    total, sums = jg.scan(lambda s, x: (s + x, s * x), jg.zeros(3), jg.ones(5, 3))
    plan, found = flush.loop_plan, []

    def overtaken(loop, wanted):
        monkeypatch.setattr(flush, "loop_plan", plan)
        other = threading.Thread(target=lambda: found.append(sums.numpy().copy()))
        other.start()
        other.join()
        return plan(loop, wanted)

    flush.forget()
    monkeypatch.setattr(flush, "loop_plan", overtaken)
    assert total.numpy().tolist() == [5, 5, 5]
    expected = np.repeat(np.arange(5.0), 3).reshape(5, 3)
    np.testing.assert_array_equal(found[0], expected)
    np.testing.assert_array_equal(sums.numpy(), expected)


def test_errors():
    x = jg.tensor(np.random.default_rng(0).standard_normal((3, 2)), requires_grad=True)
    state = jg.zeros(2)
    with pytest.raises(TypeError, match="the carry that the function returns.*float32.*float64"):
        jg.scan(lambda h, x: (h + x, None), state, x)
    with pytest.raises(TypeError, match=r"it gets \[\(\(2,\).*\] and returns \(\(\(2,\).*,\)$"):
        jg.scan(lambda h, x: ((h[0],), None), [state], x)
    with pytest.raises(TypeError, match="must return a pair"):
        jg.scan(lambda h, x: h, state, x)
    with pytest.raises(ValueError, match=r"lengths differ: \[3, 4\]"):
        jg.scan(lambda h, x: (h, None), state, x, length=4)
    with pytest.raises(ValueError, match="neither xs nor length"):
        jg.scan(lambda h, x: (h, None), state)
    with pytest.raises(ValueError, match="scan: -1 steps"):
        jg.scan(lambda h, x: (h, None), state, length=-1)
    with pytest.raises(TypeError, match="init must consist of Tensors, not of float"):
        jg.scan(lambda h, x: (h, None), 1.0, x)
    for device in ("cpu", "meta"):  # recorded once, and step by step
        for steps in (3, 0):
            h, given = jg.zeros(2, device=device), jg.zeros(steps, 2, device=device)
            with pytest.raises(TypeError, match="y must consist of Tensors, not of float"):
                jg.scan(lambda h, x: (h, 1.0), h, given)
    with pytest.raises(RuntimeError, match=r"item\(\), which reads a value"):
        jg.scan(lambda h, x: (h * h.sum().item(), None), state, x)
    with pytest.raises(RuntimeError, match="a write to a tensor from outside"):
        jg.scan(lambda h, x: (h.add_(state.add_(1)), None), jg.zeros(2), x)
    for write in (lambda h, x: (h.add_(x), None), lambda h, x: (h, x.mul_(2))):
        for given in (x, x.long()):
            with pytest.raises(RuntimeError, match="an in-place write to what it was given"):
                jg.scan(write, state.to(given.dtype), given)
    with pytest.raises(ValueError, match="a tensor of no dimensions"):
        jg.scan(lambda h, x: (h, x), state, {"a": x, "b": jg.tensor(1.0)})
