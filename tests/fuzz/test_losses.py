"""Random functions that are compiled and differentiated outside, by all their results."""

import warnings

import numpy as np
import pytest

import jitgrad as torch
from jitgrad.nn import functional as F
from tests.fuzz.generate import generate

CALLS = 4
PROGRAMS = [p for p in map(generate, range(60)) if "read in the middle" not in p.features]


def forward(program):
    """The program's function without its backwards; its results keep their histories."""
    lines = [line for line in program.text().splitlines() if "backward(" not in line]
    names = {"torch": torch, "F": F, "np": np}
    exec("\n".join([*lines[:-1], lines[-1].replace(".detach()", "")]), names)
    return names["program"]


def called(run, program):
    """Results, and the gradients that a sum of all of them leaves."""
    inputs = []
    for item in program.inputs:
        x = (torch.from_numpy if item.external else torch.tensor)(item.array())
        inputs.append(x.requires_grad_() if item.grad else x)
    torch.manual_seed(program.seed)
    results = run([], *inputs)
    found = [x.detach().numpy().tobytes() for x in results]
    traced = [x for x in results if x.requires_grad]
    if traced:
        sum((x * (1 + 0.25 * i)).sum() for i, x in enumerate(traced)).backward()
    leaves = [x for item, x in zip(program.inputs, inputs, strict=True) if item.grad]
    return found, [x.grad is not None and x.grad.numpy().tobytes() for x in leaves]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: str(program.seed))
def test_gradients_are_those_of_the_lazy_run(program, monkeypatch):
    monkeypatch.setenv("JITGRAD_JIT", "0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NumPy, about special values
        want = called(forward(program), program)
        compiled = torch.compile(forward(program))
        for _ in range(CALLS):
            assert called(compiled, program) == want
