"""Emitted source, pinned: a change of the compiler shows as a change of text."""

import re

import pytest

import jitgrad as torch
from jitgrad import debug
from jitgrad.nn import functional as F
from tests.compiler.programs import ROWS, labels, mlp, normal, train


def elementwise():
    """A flat chain."""
    return [(normal(20) * normal(20, seed=1) + 1).sigmoid()]


def gelu_sum():
    """A sum with its gradient."""
    x = normal(20, grad=True)
    y = F.gelu(x).sum()
    y.backward()
    return [y, x.grad]


def cross_entropy():
    """Forward and backward over rows."""
    x = normal(6, 10, grad=True)
    y = ROWS["cross entropy"](x, labels(6, 10))
    y.backward()
    return [y, x.grad]


def linear():
    """A matrix product with bias and activation."""
    return [(normal(6, 10) @ normal(8, 10).t() + normal(8)).relu()]


def write():
    """A store through a view."""
    x = normal(6, 10) * 2
    x[1:4, ::2] = normal(3, 5)
    return [x]


def gathered():
    """Rows by index, and their gradient."""
    x = normal(6, 10, grad=True)
    (x[torch.tensor([1, 5, 1])] * 2).sum().backward()
    return [x.grad]


PROGRAMS = {
    "elementwise": elementwise, "gelu_sum": gelu_sum, "softmax": lambda: [normal(6, 10).softmax(1)],
    "layer_norm": lambda: [F.layer_norm(normal(6, 10), (10,))], "cross_entropy": cross_entropy,
    "linear": linear, "write": write, "gathered": gathered,
    "column_sum": lambda: [(normal(6, 10) * 2).sum(0)],
    "dropout": lambda: [F.dropout(normal(20), 0.5)],
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_source(name, golden):
    sources = [s.kernels[0].source for s in debug.explain(*PROGRAMS[name]()).schedule.steps]
    golden(f"{name}.py.txt", "\n\n".join(s.strip() for s in sources) + "\n")


# ---- the plan of ten fixed programs: what they cost, without timing anything


def counted(run):
    """Kernels, steps, bytes and nodes of what `run` computes."""
    torch.flush_all()
    before = torch.stats()
    run()
    torch.flush_all()
    after = torch.stats()
    return [after[k] - before[k] for k in ("kernels_run", "steps_run", "bytes", "nodes")]


def trained():
    """A step of the main job's model, after two others."""
    model, optimizer = mlp(64, 32, 10)
    x, t = normal(16, 64), labels(16, 10)
    for _ in range(2):
        train(model, optimizer, x, t)
    torch.flush_all()
    return lambda: train(model, optimizer, x, t)


def attention():
    """Attention of one head by operators, with its gradient."""
    q, k, v = (normal(12, 16, seed=i, grad=True) for i in range(3))
    return lambda: (((q @ k.t()) / 4).softmax(1) @ v).square().mean().backward()


def realised(name):
    """One of PROGRAMS, computed."""

    def run():
        kept = PROGRAMS[name]()
        torch.flush_all()
        return kept

    return lambda: run


def test_plan(golden):
    programs = {n: realised(n) for n in ("elementwise", "gelu_sum", "softmax", "layer_norm",
                "cross_entropy", "linear", "write", "dropout")}  # fmt: skip
    programs |= {"attention": attention, "training step": trained}
    lines = [f"{'program':<14} {'kernels':>7} {'steps':>6} {'bytes':>8} {'nodes':>6}"]
    for name, prepare in programs.items():
        kernels, steps, size, nodes = counted(prepare())
        lines.append(f"{name:<14} {kernels:>7} {steps:>6} {size:>8} {nodes:>6}")
    golden("plan.txt", "\n".join(lines) + "\n")


def test_names_hold_no_size():
    (step,) = debug.explain(*PROGRAMS["softmax"]()).schedule.steps
    other = debug.explain(normal(9, 33).softmax(1)).schedule.steps[0]
    assert step.name == other.name
    assert re.fullmatch(r"[a-z_]+_[0-9a-f]{8}", step.name)
