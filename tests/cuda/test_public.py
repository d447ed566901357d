"""What a user meets of CUDA where there is no device: reasons, and the kernels' text."""

import ctypes

import pytest

import jitgrad as jg
from jitgrad.runtime import cuda

NO_DRIVER = "no NVIDIA driver"


@pytest.fixture
def no_driver(monkeypatch):
    """A machine without a driver, whatever this one has."""
    monkeypatch.setattr(cuda, "DRIVER", "libno-such-driver.so")
    cuda.unavailable.cache_clear()
    yield
    cuda.unavailable.cache_clear()


class Driver:
    """A driver as far as `unavailable` asks: what cuInit answers and how many devices there are."""

    def __init__(self, code, count):
        self.code = code
        self.count = count

    def cuInit(self, flags):
        return self.code

    def cuDeviceGetCount(self, place):
        ctypes.cast(place, ctypes.POINTER(ctypes.c_int))[0] = self.count
        return 0


def test_nothing_is_available(no_driver):
    assert not jg.cuda.is_available()
    assert jg.cuda.device_count() == 0
    assert not jg.cuda.is_initialized()
    jg.cuda.manual_seed_all(3)


@pytest.mark.parametrize(
    "use",
    [
        jg.cuda.init, jg.cuda.current_device, jg.cuda.synchronize, lambda: jg.device("cuda:0"),
        lambda: jg.ones(2).cuda(), lambda: jg.ones(2).to("cuda"), lambda: jg.ones(2, device="cuda"),
    ],
)  # fmt: skip
def test_the_reason_is_named(use, no_driver):
    with pytest.raises(RuntimeError, match=NO_DRIVER):
        use()


@pytest.mark.parametrize(
    "code, count, reason",
    [(100, 0, "answers 100"), (0, 0, "finds no device"), (0, 2, "does not launch them yet")],
)
def test_other_reasons(code, count, reason, no_driver, monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Driver(code, count))
    assert reason in cuda.unavailable()
    assert not jg.cuda.is_available()


def test_explain_writes_for_cuda():
    y = (jg.ones(4, 8) * 2).softmax(1)
    found = jg.debug.explain(y, device="cuda")
    (source,) = found.sources.values()
    assert "from numba import cuda" in source and "team: threads that take a row" in source
    assert found.kernels == 1
    assert "numba" not in str(jg.debug.explain(y))


def test_explain_says_what_it_does_not_do():
    with pytest.raises(ValueError, match="'cpu' or 'cuda', not 'tpu'"):
        jg.debug.explain(jg.ones(2) + 1, device="tpu")
    with pytest.raises(NotImplementedError, match="written, not run"):
        jg.debug.explain(jg.ones(2) + 1, device="cuda", run=True)
    with pytest.raises(NotImplementedError, match="written, not run"):
        jg.debug.explain(lambda: jg.ones(2).item(), device="cuda")
