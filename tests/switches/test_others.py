"""JITGRAD_JIT, FUSE, CHECK, DEVICE and CACHE_DIR: what each changes, and that bits stay."""

import os
import re
import subprocess
import sys
import timeit

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.runtime import switches


def _expressions(x, w):
    """Values of every kind of kernel: maps, rows, columns, whole sums, products, gathers."""
    loss = ((x @ w).softmax(1) * x[:, :3].exp()).sum()
    return [
        loss,
        (x - x.mean(0)).tanh().sum(1),
        x.t().contiguous().cumsum(0),
        x[jg.tensor([2, 0, 1])] * 3 + 1,
        jg.where(x > 0, x, -x).max(1).values,
    ]


def _values():
    jg.manual_seed(3)
    x = jg.randn(5, 7)
    w = jg.randn(7, 3, requires_grad=True)
    results = _expressions(x, w)
    (grad,) = jg.autograd.grad(results[0], w)
    return [t.detach().numpy().copy() for t in [*results, grad]]


@pytest.mark.parametrize("switch", ["JITGRAD_JIT", "JITGRAD_FUSE"])
def test_same_bits(monkeypatch, switch):
    want = _values()
    monkeypatch.setenv(switch, "0")
    for got, value in zip(_values(), want, strict=True):
        np.testing.assert_array_equal(got, value)


def test_jit_0_compiles_nothing(monkeypatch):
    monkeypatch.setenv("JITGRAD_JIT", "0")
    before = jg.stats()
    assert (jg.ones(3) * 2).erf().sum().item() > 2.9
    after = jg.stats()
    for key in ("kernels_compiled", "kernels_loaded"):
        assert after[key] == before[key]


def test_fuse_0_is_one_op_a_kernel(monkeypatch):
    x = jg.ones(8) / 3
    jg.flush_all()
    fused = jg.debug.explain((x.exp() + x).tanh() * 2)
    monkeypatch.setenv("JITGRAD_FUSE", "0")
    alone = jg.debug.explain((x.exp() + x).tanh() * 2)
    assert fused.kernels == 1
    assert [re.sub(r"_\w+", "", name) for name, _, _ in alone.steps] == [
        "exp",
        "add",
        "tanh",
        "mul",
    ]


def test_check_catches_a_wrong_kernel(monkeypatch, wrong):
    x = jg.ones(4)
    jg.flush_all()
    assert ((x * 5) + x).tolist() == [4.0] * 4  # unnoticed
    monkeypatch.setenv("JITGRAD_CHECK", "1")
    message = r"<add f32\[4\]> recorded at .*test_others.py:\d+ differs .*; kernel: add_\w+$"
    with pytest.raises(AssertionError, match=message):
        ((x * 5) + x).tolist()


def test_check_passes_what_is_right(monkeypatch):
    monkeypatch.setenv("JITGRAD_CHECK", "1")
    _values()


@pytest.mark.parametrize("seed", range(5))
def test_check_passes_what_rounding_explains(monkeypatch, seed):
    monkeypatch.setenv("JITGRAD_CHECK", "1")
    jg.manual_seed(seed)
    x = jg.randn(3, 4, requires_grad=True)
    jg.nn.functional.layer_norm(x, (4,)).sum().backward()
    assert x.grad.abs().max().item() < 1e-5  # 0 but for rounding: nothing that is relative fits
    wide = jg.randn(5).exp().double()  # float64 with the error of float32
    assert (wide * 2).tolist() == (wide + wide).tolist()


def test_device(monkeypatch):
    monkeypatch.setenv("JITGRAD_DEVICE", "cuda")
    message = r"JITGRAD_DEVICE=cuda: this version computes on cpu alone \(unset JITGRAD_DEVICE\)"
    with pytest.raises(ValueError, match=message):
        (jg.ones(3) + 1).tolist()
    monkeypatch.setenv("JITGRAD_DEVICE", "cpu")
    assert (jg.ones(3) + 1).tolist() == [2.0] * 3


def test_cache_dir(monkeypatch, tmp_path):
    folder = tmp_path / "kernels"
    monkeypatch.setenv("JITGRAD_CACHE_DIR", str(folder))
    assert (jg.ones(3) + 1).tolist() == [2.0] * 3  # now there is a pool: the driver is built
    before = set(folder.glob("*"))
    assert (jg.ones(3) * 7 - 3).tolist() == [4.0] * 3
    assert [path.suffix for path in set(folder.glob("*")) - before] == [".kernel"]


def test_changes_hold_at_once_and_cost_little(monkeypatch):
    for text, value in (("0", False), ("1", True), ("", True), ("0", False)):
        monkeypatch.setenv("JITGRAD_JIT", text)
        assert switches.jit() is value
    monkeypatch.delenv("JITGRAD_JIT")
    assert switches.jit()
    plain = min(timeit.repeat(lambda: os.environ.get("JITGRAD_JIT"), number=2000, repeat=5))
    assert min(timeit.repeat(switches.jit, number=2000, repeat=5)) < plain


def test_the_report_works_under_a_wrong_switch(root):
    env = {**os.environ, "JITGRAD_DEVICE": "tpu", "PYTHONPATH": str(root)}
    command = [sys.executable, "-m", "jitgrad"]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "wrong: JITGRAD_DEVICE=tpu: this version computes on cpu alone" in done.stdout
