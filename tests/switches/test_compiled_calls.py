"""Switches changed between calls of one compiled function: the same bits, and what they promise."""

import math

import pytest

import jitgrad as jg
from jitgrad.runtime import interpret

TELLS = ("JITGRAD_JIT", "JITGRAD_FUSE", "JITGRAD_CHECK", "JITGRAD_DEBUG")
ORDER = [
    {}, {"JITGRAD_JIT": "0"}, {"JITGRAD_FUSE": "0"}, {"JITGRAD_CHECK": "1"}, {},
    {"JITGRAD_JIT": "0", "JITGRAD_FUSE": "0", "JITGRAD_CHECK": "1"}, {"JITGRAD_DEBUG": "2"}, {},
]  # fmt: skip


def set_to(monkeypatch, values):
    for name in TELLS:
        monkeypatch.delenv(name, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def trained():
    """A step with a draw, a host number, a gather and parameters that change; its losses."""
    jg.manual_seed(5)
    w = jg.randn(4, 3).requires_grad_()
    optimizer = jg.optim.Adam([w], lr=0.1)
    schedule = jg.optim.lr_scheduler.StepLR(optimizer, 2)
    rows = jg.tensor([1, 0, 3])
    x = jg.arange(6.0).reshape(3, 2).t()  # read through strides

    @jg.compile
    def step(x):
        optimizer.zero_grad()
        noisy = jg.nn.functional.dropout(x @ w[rows], 0.3)
        loss = noisy.softmax(1)[:, 1:].square().sum()
        loss.backward()
        optimizer.step()
        return loss

    def losses(n):
        out = []
        for _ in range(n):
            out.append(step(x).item())
            schedule.step()
        return [*out, *w.detach().numpy().ravel().tolist()]

    return losses


def test_same_bits_when_switches_change_between_calls(monkeypatch, capsys):
    plain = trained()
    want = [plain(4) for _ in ORDER]
    switched = trained()
    for values, expected in zip(ORDER, want, strict=True):
        set_to(monkeypatch, values)
        assert switched(4) == expected, values


def test_gradients_of_compiled_functions_follow_the_switches(monkeypatch):
    loss = jg.compile(lambda x: (x.exp() * x).sum())
    found = []
    for values in ORDER:
        set_to(monkeypatch, values)
        for _ in range(4):
            x = jg.tensor([0.5, -1.0, 2.0], requires_grad=True)
            loss(x).backward()
            found.append(x.grad.tolist())
    assert all(g == found[0] for g in found)


def test_jit_0_runs_no_machine_code(monkeypatch):
    double = jg.compile(lambda x: x * 2 + 1)
    x = jg.ones(5)
    for _ in range(3):
        double(x)
    monkeypatch.setenv("JITGRAD_JIT", "0")
    ran = []
    call = interpret.call
    monkeypatch.setattr(interpret, "call", lambda *args: ran.append(1) or call(*args))
    for calls in range(1, 4):
        assert double(x).tolist() == [3.0] * 5
        assert len(ran) == calls
    monkeypatch.delenv("JITGRAD_JIT")
    assert double(x).tolist() == [3.0] * 5 and len(ran) == 3


def test_check_catches_a_wrong_kernel(monkeypatch, wrong):
    scaled = jg.compile(lambda x: (x * 5) + x)
    x = jg.ones(4)
    for _ in range(3):
        assert scaled(x).tolist() == [4.0] * 4  # unnoticed
    monkeypatch.setenv("JITGRAD_CHECK", "1")
    message = (
        r"<add f32\[4\]> recorded at .*test_compiled_calls.py:\d+ differs .*; kernel: add_\w+$"
    )
    with pytest.raises(AssertionError, match=message):
        scaled(x)


def test_check_catches_a_wrong_gradient(monkeypatch, wrong):
    loss = jg.compile(lambda x: x.log1p().sum())

    def gradient():
        x = jg.ones(4, requires_grad=True)
        loss(x).backward()
        return x.grad.tolist()

    for _ in range(5):
        assert gradient() == [math.inf] * 4  # 1 / (x - 1), unnoticed
    monkeypatch.setenv("JITGRAD_CHECK", "1")
    with pytest.raises(AssertionError, match=r"\(grad of log1p\) differs from the oracle"):
        gradient()
