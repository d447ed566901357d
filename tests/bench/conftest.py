"""Results put in by hand, so that tables and verdicts can be tested without timing anything."""

import pytest

import jitgrad
from jitgrad.bench.race import Outcome, Times
from jitgrad.bench.workloads import cases

KINDS = dict.fromkeys(["torch", "torch.fused", "torch.compile", "jax", "numpy"], "peer")
CEILINGS = ("sgemm.threaded", "sgemm.per_core", "copy", "products")


@pytest.fixture(autouse=True)
def _as_it_was():
    """Subjects are opened in this process here, and set it up for themselves."""
    threads, mode = jitgrad.get_num_threads(), jitgrad.get_mode()
    yield
    jitgrad.set_num_threads(threads)
    jitgrad.set_mode(mode)
    jitgrad.set_grad_enabled(True)


@pytest.fixture
def outcome():
    """`outcome(label, compiled=µs, jax=µs, ...)`: a race that took these medians."""

    def make(label, **medians):
        times = {}
        for name, median in medians.items():
            name = name.replace("_", ".", 1)
            kind = KINDS.get(name, "ceiling" if name in CEILINGS else "jitgrad")
            times[name] = Times(kind, rounds=[median * 1e-6], best=median * 1e-6, runs=5)
            times[name].ready = {"digest": "d", "import_s": 0.1, "build_s": 0.2, "first_s": 0.3}
            if kind == "jitgrad":
                times[name].error, times[name].same_on = 0.0, {1: True}
        return Outcome(cases([label])[0], times, "jax")

    return make
