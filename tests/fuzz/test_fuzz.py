"""Random programs agree in every way of running them; what fails is made small and can be run."""

import os
import re
import subprocess
import sys
from collections import Counter
from functools import partial

import pytest

from tests.fuzz.__main__ import batch, report
from tests.fuzz.faults import FAULTS
from tests.fuzz.generate import generate
from tests.fuzz.program import Line
from tests.fuzz.running import disagreement
from tests.fuzz.shrink import shrink

FEATURES = (
    "view", "broadcast", "write", "write through a view", "reduction", "read in the middle",
    "backward", "mixed dtypes", "index by tensor", "matmul", "join", "where", "softmax-like",
    "random draw", "no_grad", "scan or sort", "integers", "compare", "special values",
    "epilogue", "batched matmul", "weighted rows", "recurrence",
)  # fmt: skip


@pytest.mark.parametrize("first", range(20_000, 20_120, 40))
def test_meaning(first):
    _, failures = batch(first, first + 40, code=False, longs=100)
    assert not failures, report(*failures[0])


def test_machine_code():
    _, failures = batch(30_000, 30_004, code=True, longs=4)
    assert not failures, report(*failures[0])


@pytest.mark.slow
@pytest.mark.parametrize("first", range(40_000, 40_100, 10))
def test_more_machine_code(first):
    _, failures = batch(first, first + 10, code=True, longs=5)
    assert not failures, report(*failures[0])


def test_no_feature_is_rare():
    counts = Counter()
    for seed in range(400):
        counts.update(generate(seed).features)
    assert set(counts) == set(FEATURES)
    assert min(counts.values()) >= 0.05 * 400, counts


def test_the_same_seed_gives_the_same_program():
    assert generate(11) == generate(11)
    assert generate(11).text() != generate(12).text()


def test_a_failing_program_is_made_small_and_runs_by_itself(root):
    with FAULTS["a number in the wrong slot"]():
        seed = next(s for s in range(100) if disagreement(generate(s)) is not None)
        whole = generate(seed)
        small = shrink(whole, disagreement)
        assert disagreement(small) is not None
    assert len(small.lines) <= 3 < len(whole.lines)
    assert disagreement(small) is None
    command = [sys.executable, "-c", small.script()]
    env = {"JITGRAD_JIT": "0", "PYTHONPATH": str(root)}
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_what_depends_on_a_dropped_line_goes_too():
    program = generate(1)
    for k, line in enumerate(program.lines):
        if line.makes():
            text = program.without({k}).text()
            assert not any(re.search(rf"\b{name}\b", text) for name in line.makes())


def test_a_line_knows_what_it_makes():
    assert Line("v1, v2 = x0.max(0)").makes() == {"v1", "v2"}
    assert Line("with torch.no_grad():\n    v3 = v1 * 2\n    v3 += 1").makes() == {"v3"}
    assert Line("x0[1:] = 2").makes() == set()


def test_a_seed_is_one_program_in_every_process():
    code = (
        "from tests.fuzz.generate import generate\nprint([generate(i).text() for i in range(12)])"
    )
    run = partial(subprocess.run, [sys.executable, "-c", code], capture_output=True, check=True)
    texts = {run(env={**os.environ, "PYTHONHASHSEED": seed}).stdout for seed in ("1", "2")}
    assert len(texts) == 1
