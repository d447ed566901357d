"""What the programs of the tiers cover."""

import re
from itertools import product

from jitgrad.ops import OPS
from tests.cuda.graphs import scheduled, taken
from tests.cuda.programs import PROGRAMS

_BY_THREADS = re.compile(r"\b(?:team|lines|block)_([a-z]+)_[a-z]+\d+\(")
# What a recorded graph is made of; lowering sees the ops inside.
RECORDED_ONLY = {"hole", "loop", "part"}


def test_every_op():
    covered = set()
    for make in PROGRAMS.values():
        covered |= {node.op.name for node in taken(make()).nodes}
    assert set(OPS) - RECORDED_ONLY - covered == set()
    assert covered & RECORDED_ONLY == set()


def test_every_loop_and_reduction():
    covered = set()
    for make in PROGRAMS.values():
        for step in scheduled(taken(make())).steps:
            kernel = step.kernels[0]
            covered.add(kernel.launch)
            covered |= {(kernel.launch, op) for op in _BY_THREADS.findall(kernel.source)}
    reductions = product(
        ["rows", "chunks", "columns", "single"], ["sum", "prod", "max", "min", "any", "all"]
    )
    positions = {("rows", "argmax"), ("rows", "argmin")}
    loops = {"elements", "rows", "chunks", "columns", "single", "units", "library"}
    assert covered == {*reductions} | positions | loops
