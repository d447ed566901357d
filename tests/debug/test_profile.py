"""`debug.profile`: launches by the user's lines, the table, Chrome's events."""

import json
import re

import pytest

import jitgrad as jg
from jitgrad.debug.launches import Launch
from jitgrad.debug.profiling import Profile
from jitgrad.runtime import ceilings


@pytest.fixture
def ceiling(monkeypatch):
    """10 GB/s, so that shares follow from the times."""
    monkeypatch.setattr(ceilings, "copy_seconds", lambda nbytes: nbytes / 10e9)


def _launch(kernel, lines, seconds, nbytes, start=0.0):
    return Launch(kernel, lines, start, seconds, False, nbytes, (nbytes, 0, "f32"))


def test_what_ran_is_found_under_its_lines(ceiling):
    x = jg.arange(64.0)
    jg.flush_all()
    with jg.debug.profile() as found:
        y = (x * 2).exp()
        line = y._storage.node.site[1]
        for _ in range(3):
            (y + x).sum().item()
    names = [launch.kernel for launch in found.launches]
    assert sum(total.calls for total in found.kernels()) == len(names) >= 3
    own = next(v for k, v in found.lines().items() if k == f"test_profile.py:{line}")
    assert {total.kernel for total in own} <= set(names)
    assert 0 < found.kernel_seconds <= found.seconds
    assert [what for _, what, _ in found.reads] == ["item"] * 3


def test_compiled_calls_are_seen_too(ceiling):
    step = jg.compile(lambda x: (x * 2).sum())
    x = jg.ones(100)
    for _ in range(3):
        step(x)
    with jg.debug.profile() as found:
        step(x)
    assert found.launches
    assert all("test_profile.py:" in line for launch in found.launches for line in launch.lines)


def test_gradients_stand_under_the_line_of_the_forward(ceiling):
    x = jg.ones(16, requires_grad=True)
    jg.flush_all()
    with jg.debug.profile() as found:
        loss = x.tanh().sum()
        loss.backward()
        x.grad.tolist()
    lines = {text for launch in found.launches for text in launch.lines}
    assert any("(grad of tanh)" in text or "grad of" in text for text in lines)
    assert len(found.lines()) == 1


def test_the_same_bits_and_errors(ceiling):
    x = jg.linspace(-2, 2, 100)
    want = x.tanh().sum(0).item()
    with jg.debug.profile():
        assert x.tanh().sum(0).item() == want
    index = jg.tensor([7])
    with jg.debug.profile() as found, pytest.raises(IndexError):
        jg.ones(3)[index].tolist()
    assert found.seconds > 0


def test_table(ceiling):
    found = Profile(seconds=5e-3)
    found.launches = [
        _launch("slow", ("net.py:2", "net.py:1 (grad of mul)"), 3e-3, 6_000_000),
        _launch("quick", ("net.py:1",), 1e-3, 9_000_000),
        _launch("quick", ("net.py:1 (forward, grad of mul)",), 0.5e-3, 4_500_000),
    ]
    head, *rows = str(found).splitlines()
    assert head.split() == (
        "3 launches of 2 kernels, 4.500 ms of 5.000 ms calls ms GB/s ceiling".split()
    )
    assert [row.split() for row in rows[:-1]] == [
        ["net.py:1", "4.500"],
        ["slow", "1", "3.000", "2.0", "20%", "<<"],
        ["quick", "2", "1.500", "9.0", "90%"],
        ["net.py:2", "3.000"],
        ["slow", "1", "3.000", "2.0", "20%", "<<"],
    ]
    assert "each line that it serves" in rows[-1]


def test_nothing_ran():
    with jg.debug.profile() as found:
        pass
    assert str(found).startswith("0 launches of 0 kernels, 0.000 ms of ")


def test_interpreted_kernels_have_no_share(monkeypatch):
    monkeypatch.setenv("JITGRAD_JIT", "0")
    found = Profile(launches=[_launch("k", ("net.py:1",), 1e-3, 100)])
    assert found.kernels()[0].share is None
    assert re.search(r"k +1 +1\.000 +0\.0 +-$", str(found), re.MULTILINE)


def test_chrome_events(ceiling, tmp_path):
    x = jg.ones(32) * 2
    with jg.debug.profile() as found:
        x.sum().item()
    path = found.save(tmp_path / "trace.json")
    events = json.loads(path.read_text())["traceEvents"]
    slices = [event for event in events if event["ph"] == "X"]
    assert [event["name"] for event in slices] == [launch.kernel for launch in found.launches]
    for event, launch in zip(slices, found.launches, strict=True):
        assert event["dur"] == pytest.approx(launch.seconds * 1e6)
        assert 0 <= event["ts"] and event["ts"] + event["dur"] <= found.seconds * 1e6
        assert event["args"]["lines"] == list(launch.lines)
    (read,) = [event for event in events if event["ph"] == "i"]
    assert re.fullmatch(r"item at test_profile\.py:\d+", read["name"])
    ends = [event["ts"] + event["dur"] for event in slices]
    assert read["ts"] <= slices[0]["ts"] and ends == sorted(ends)


def test_a_block_in_a_block(ceiling):
    with jg.debug.profile() as outer:
        with jg.debug.profile() as inner:
            jg.ones(3).exp().sum().item()
        jg.ones(3).sqrt().realize()
    assert inner.launches and outer.launches[:-1] == inner.launches
    assert outer.launches[-1].kernel.startswith("sqrt")
