"""What asking for the number of references adds to it, in code written out and in code made."""

import sys
from sys import getrefcount

from jitgrad.ir.references import ASKING
from jitgrad.runtime.script import Script


def asked(thing, attribute, text):
    """References that generated code counts, as the lines of a replay do."""
    script = Script("a count")
    script.use(getrefcount=getrefcount, thing=thing)
    with script.block("def count():"):
        script.line(f"x = {attribute}", f"return {text}")
    return script.build("count")()


class Cell:
    def __init__(self):
        self.value = object()


def test_a_local_variable():
    kept = [object()]
    value = kept[0]
    assert getrefcount(value) == 1 + ASKING
    second = value
    assert getrefcount(value) == 2 + ASKING
    del second
    assert ASKING == (1 if sys.version_info >= (3, 14) else 2)


def test_a_local_variable_of_generated_code():
    cell = Cell()
    assert asked(cell, "thing.value", "getrefcount(x)") == 1 + ASKING
    other = cell.value
    assert asked(cell, "thing.value", "getrefcount(x)") == 2 + ASKING
    assert other is cell.value


def test_an_argument_that_is_not_a_variable_counts_itself():
    cell = Cell()
    count = getrefcount(cell.value)
    assert count == 2
    assert asked(cell, "None", "getrefcount(y := thing.value)") == 3
