"""Launches: what bits depend on follows from sizes alone, and all work is covered."""

import pytest

from jitgrad.compiler.cuda.launch import Device, configure, places
from tests.compiler.programs import normal
from tests.cuda.programs import PROGRAMS
from tests.cuda.texts import steps

DEVICES = [Device(processors=n, blocks=b) for n, b in ((1, 1), (20, 2), (132, 8), (1000, 16))]


def launched(kernel, units, size, device=None):
    """The launch of a kernel over so many units of a size, its scratch of `size` columns."""
    counts = {kernel.units: units, kernel.unit_size: size}
    return configure(kernel, lambda spec: counts.get(spec, size), device)


def kernel_of(make, launch):
    """The first kernel of a computation that is launched so."""
    return next(s.kernels[0] for s in steps(make()) if s.kernels[0].launch == launch)


@pytest.fixture
def softmax():
    return kernel_of(lambda: [normal(4, 9).softmax(1)], "rows")


@pytest.fixture
def column_sum():
    return kernel_of(lambda: [(normal(4, 9) * 2).sum(0)], "columns")


@pytest.mark.parametrize("size", [1, 8, 1024, 1025, 100_000])
@pytest.mark.parametrize("units", [1, 7, 5000])
def test_numbers_do_not_depend_on_the_device(softmax, column_sum, units, size):
    for kernel in (softmax, column_sum):
        launches = [launched(kernel, units, size, device) for device in DEVICES]
        assert len({str(launch.numbers) for launch in launches}) == 1
        assert len({launch.threads for launch in launches}) == 1
        for launch, device in zip(launches, DEVICES, strict=True):
            assert 0 < launch.blocks <= device.processors * device.blocks


def test_short_rows_go_to_warps_and_long_ones_to_blocks(softmax):
    assert launched(softmax, 10, 100).numbers["team"] == 32
    assert launched(softmax, 10, 2000).numbers["team"] == 256


def test_scratch_that_does_not_fit_is_lent(softmax):
    inside, outside = launched(softmax, 10, 2000), launched(softmax, 10, 20_000)
    assert (inside.shared, inside.workspace) == (inside.numbers["per_team"], 0)
    assert outside.shared == 0
    assert outside.workspace == outside.blocks * outside.numbers["per_team"]


@pytest.mark.parametrize("rows", [0, 1, 63, 64, 100_000])
@pytest.mark.parametrize("columns", [1, 4, 100, 4096])
def test_spans_cover_the_rows(column_sum, rows, columns):
    launch = launched(column_sum, columns, rows)
    numbers = launch.numbers
    assert numbers["parts"] * numbers["span"] >= rows
    assert (numbers["parts"] - 1) * numbers["span"] < max(rows, 1)
    assert numbers["parts"] <= Device().parts
    assert numbers["span"] % (launch.threads // numbers["width"]) == 0
    lent = sum(places(column_sum, numbers["parts"] * columns).values())
    assert launch.workspace == (lent if numbers["parts"] > 1 else 0)
    assert bool(launch.finish) == (numbers["parts"] > 1)


def test_nothing_is_launched_for_nothing(softmax):
    assert launched(softmax, 0, 9).blocks == 0


def test_one_launch_for_all_parameters():
    (step,) = steps(PROGRAMS["adam"]())
    assert len(step.kernels) == 4
