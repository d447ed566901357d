"""`debug.explain`: what it finds, and the docstrings of kernels."""

import ast
import re

import pytest

import jitgrad as jg
from jitgrad.compiler import schedule as schedules
from jitgrad.compiler import snapshot
from jitgrad.compiler.header import headed
from jitgrad.debug.explaining import waiting
from jitgrad.runtime import sources


def _net():
    """A step of a small network, recorded only."""
    jg.manual_seed(1)
    net = jg.nn.Sequential(jg.nn.Linear(6, 4), jg.nn.Tanh(), jg.nn.Linear(4, 3))
    x, y = jg.randn(5, 6), jg.tensor([0, 1, 2, 0, 1])
    jg.flush_all()
    loss = jg.nn.functional.cross_entropy(net(x), y)
    loss.backward()
    return loss, [p.grad for p in net.parameters()]


def test_nothing_is_run():
    y = jg.ones(4) + 1
    before = jg.stats()["flushes"]
    jg.debug.explain(y)
    assert jg.stats()["flushes"] == before
    y.realize()
    with pytest.raises(ValueError, match="every tensor is computed already"):
        jg.debug.explain(y)


def test_run_gives_timings_of_what_was_explained():
    loss, grads = _net()
    found = jg.debug.explain(loss, *grads, run=True)
    assert [name for name, _, _ in found.timings] == [name for name, _, _ in found.steps]
    assert all(seconds > 0 and size > 0 for _, seconds, size in found.timings)
    assert len(re.findall(r" us +\d+\.\d GB/s  \w+", str(found))) == len(found.steps)
    before = jg.stats()["flushes"]
    loss.item()
    assert jg.stats()["flushes"] == before


def test_docstrings_name_every_parameter_and_are_no_part_of_the_kernel():
    loss, grads = _net()
    snap = snapshot.take(waiting([loss, *grads]))
    schedule = schedules.build(snap)
    for step in schedule.steps:
        kernel = step.kernels[0]
        key, body, plain = sources.key(kernel), sources.body(kernel), kernel.source
        kernel.source = headed(schedule, step, snap.nodes)
        assert (sources.key(kernel), sources.body(kernel)) == (key, body)
        module = ast.parse(kernel.source)
        assert kernel.source.endswith(plain)
        text = ast.get_docstring(module)
        assert text.startswith(f"{kernel.name}: ") and "test_explain.py:" in text
        for name, *_ in kernel.params:
            assert re.search(rf"^ +{name}: \S", text, re.MULTILINE), name
        assert max(map(len, text.splitlines())) <= 100
