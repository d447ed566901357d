"""A failing program made small. Entry: `shrink(program, fails)`."""

from __future__ import annotations

import re
from dataclasses import replace

from tests.fuzz.program import Line
from tests.fuzz.running import reference


def shrink(program, fails, budget=200):
    """The smallest program found within `budget` tries for which `fails` still says something.

    Drops lines with all that depends on them, several at once first, then outputs, then elements.
    """
    left = budget

    def holds(candidate):
        nonlocal left
        if left <= 0 or not valid(candidate):
            return False
        left -= 1
        return fails(candidate) is not None

    changed = True
    while changed and left > 0:
        changed = False
        for candidate in (*fewer_lines(program), *fewer_outputs(program), *plainer(program)):
            if size(candidate) < size(program) and holds(candidate):
                program, changed = candidate, True
                break
    return program


def valid(program):
    """Whether the reference can run it."""
    try:
        reference(program)
    except Exception:  # it no longer means anything
        return False
    return True


def size(program):
    """What shrinking makes less of."""
    text = sum(len(line.text) for line in program.lines)
    elements = sum(i.array().size for i in program.inputs)
    extras = sum(i.grad + i.external + i.special for i in program.inputs)
    return (len(program.lines), len(program.outputs) + len(program.inputs), text + extras, elements)


def fewer_lines(program):
    """The program without runs of lines: halves, quarters, ... single ones."""
    n = len(program.lines)
    step = n
    while step >= 1:
        for start in range(n - step, -1, -step):
            yield program.without(set(range(start, start + step)))
        step //= 2


def fewer_outputs(program):
    """The program without one of its outputs."""
    for k in range(len(program.outputs)):
        rest = program.outputs[:k] + program.outputs[k + 1 :]
        yield replace(program, outputs=rest).without(set())


def plainer(program):
    """The program with simpler inputs and with parts of expressions left out."""
    for k, item in enumerate(program.inputs):
        for change in ({"special": False}, {"external": False}, {"grad": False}):
            if getattr(item, next(iter(change))):
                inputs = list(program.inputs)
                inputs[k] = replace(item, **change)
                yield replace(program, inputs=tuple(inputs))
    for k, line in enumerate(program.lines):
        for text in simpler(line.text):
            lines = list(program.lines)
            lines[k] = Line(text, line.features)
            yield replace(program, lines=tuple(lines)).without(set())


def simpler(text):
    """An expression with less in it."""
    target, sign, value = text.partition(" = ")
    if not sign or "\n" in text:
        return
    parts = re.fullmatch(r"(.+?) [-+*@/] (.+)", value)
    if parts:
        yield from (f"{target} = {p}" for p in parts.groups() if balanced(p))
    inner = re.fullmatch(r"(.+?)\.\w+\(.*\)", value)
    if inner and balanced(inner.group(1)) and not inner.group(1).startswith("torch"):
        yield f"{target} = {inner.group(1)}"


def balanced(text):
    """Whether its brackets close."""
    return all(text.count(a) == text.count(b) for a, b in ("()", "[]"))
