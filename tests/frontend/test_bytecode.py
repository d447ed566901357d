"""The reader of bytecode finds every chain, whatever this version of Python makes of the code."""

import dis
import sys

import pytest

import jitgrad as jg
from jitgrad.frontend import scan, watch


def found(fn):
    """Chains as text: local config.gain; names of attributes alone: ?.gain."""
    out = set()
    for root, name, path, store in scan.chains(fn.__code__):
        text = f"{root} {name}" if root != scan.LOOSE else f"?.{name}"
        for kind, key in path:
            text += f".{key}" if kind == "a" else f"[{key!r}]"
        out.add(text + " =" * store)
    return out


def two_locals(x, config, other):
    y = config.gain
    z = other.rate  # STORE_FAST_LOAD_FAST
    first, second = x, config.deep.gain  # LOAD_FAST_LOAD_FAST
    return first.one, second.two, y, z


def small_numbers(x, config):
    return x[0].gain, config.table[300].gain, config.table[-1]


def constants(x, config):
    return config.names, "".join(x), config.gain


def stores(x, config):
    config.gain = 3
    config.inner.gain += 1


def branches(x, config, other):
    return (config if x else other).gain, (config or other).rate


class Child(dict):
    def above(self):
        return super().gain, super().get("x").rate


def loops(x, configs):
    total = sum([c.gain for c in configs])
    for config in configs:
        total += config.rate
    return total


def late(x, config=None):
    config = config or x
    return config.gain


CHAINS = {
    two_locals: {
        "local config.gain", "local other.rate", "local config.deep.gain", "local first.one",
        "local second.two",
    },
    small_numbers: {"local x[0].gain", "local config.table[300].gain", "local config.table[-1]"},
    constants: {"local config.names", "local config.gain"},
    stores: {"local config.gain =", "local config.inner.gain"},
    branches: {"?.gain", "?.rate"},
    Child.above: {"?.gain", "?.get", "?.rate"},
    late: {"local config.gain", "?.gain"},
}  # fmt: skip


@pytest.mark.parametrize("fn", CHAINS, ids=lambda fn: fn.__name__)
def test_chains(fn):
    assert CHAINS[fn] <= found(fn)


def test_what_is_not_read_is_not_found():
    assert not any("join" in text for text in found(constants))
    assert not any(text.startswith("?") for text in found(two_locals))


def test_loop_variables_are_loose():
    codes = [loops.__code__, *[c for c in loops.__code__.co_consts if hasattr(c, "co_code")]]
    names = {c.name for code in codes for c in scan.chains(code) if c.root == scan.LOOSE}
    chains = {c[:3] for code in codes for c in scan.chains(code)}
    gain = ("local", "c", (("a", "gain"),))
    assert "rate" in names and gain in chains
    if sys.version_info >= (3, 12):  # where the comprehension is part of the function
        assert "gain" in names


@pytest.mark.parametrize("op", ["LOAD_FAST_TWICE", "STORE_GLOBAL_FAST", "IMPORT_LAZY"])
def test_unknown_instructions_run_lazily(op, monkeypatch):
    unknown = scan.unknown(frozenset([*dis.opmap, op]))
    assert unknown == [op]
    monkeypatch.setattr(watch, "_UNKNOWN", unknown)
    f = jg.compile(lambda x: x * 2)
    for _ in range(5):
        assert f(jg.ones(2)).tolist() == [2.0, 2.0]
    assert f._active is None
    (told,) = [known.lazy for known in f._known.values()]
    assert told == f"this Python has instructions that are not known: {op}"


def test_all_of_this_python_are_known():
    assert scan.unknown(frozenset(dis.opmap)) == []
    # And those that others have: 3.14's.
    others = ["LOAD_FAST_BORROW", "LOAD_FAST_BORROW_LOAD_FAST_BORROW", "LOAD_SMALL_INT",
              "LOAD_COMMON_CONSTANT", "LOAD_SPECIAL"]  # fmt: skip
    assert scan.unknown(frozenset(others)) == []
