"""Run a snippet of PyTorch code in jitgrad and in PyTorch, and compare what it leaves in `out`."""

import numpy as np
import pytest

import jitgrad


def run(code, module):
    """Execute `code` with `torch` being `module`; the value of `out`, or the exception."""
    scope = {"torch": module, "np": np}
    module.manual_seed(0)
    try:
        exec(compile(code, "<snippet>", "exec"), scope)
    except Exception as error:
        return error
    return scope["out"]


def plain(value):
    """A result as (dtype, shape, array), nested tuples, text or numbers."""
    if isinstance(value, (list, tuple)) and not isinstance(value, str):
        return [plain(v) for v in value]
    if hasattr(value, "detach"):
        values = value.detach().numpy()
        return (str(value.dtype).partition(".")[2], tuple(value.shape), np.array(values))
    return value


def same(a, b, code):
    """Assert that two plain results agree: exactly, or to float32 rounding."""
    if isinstance(a, list):
        assert len(a) == len(b), code
        for x, y in zip(a, b, strict=True):
            same(x, y, code)
    elif isinstance(a, tuple):
        assert a[:2] == b[:2], f"{code}\n{a}\n{b}"
        np.testing.assert_allclose(a[2], b[2], rtol=2e-6, atol=1e-6, err_msg=code)
    elif isinstance(a, float):
        assert a == pytest.approx(b, rel=1e-5), code
    elif isinstance(b, str) and isinstance(a, str):
        assert a.replace("jitgrad.", "torch.") == b, f"{code}\n{a}\n{b}"
    elif not isinstance(a, (int, float, bool)):
        same(str(a), str(b), code)
    else:
        assert a == b, f"{code}\n{a}\n{b}"


def check(code):
    """The snippet gives equal results, or both raise (an exception of the same class)."""
    torch = pytest.importorskip("torch", reason="PyTorch is the reference and is not installed")
    want, got = run(code, torch), run(code, jitgrad)
    if isinstance(want, Exception):
        assert isinstance(got, Exception), f"{code}\nPyTorch raises {want!r}; got {got!r}"
        assert type(got) is type(want), f"{code}\n{want!r}\n{got!r}"
        return
    if isinstance(got, Exception):
        raise AssertionError(f"{code}\nraised {got!r}") from got
    same(plain(got), plain(want), code)
