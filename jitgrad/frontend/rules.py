"""Gradient rules cut to what is needed: which values a rule reads, and only the wanted results.

From the source of `(g, y, *operands, *attrs) -> (gradient, ...)` follows which operands it reads
(those an Edge must save) and which only for their shape or dtype. A rule whose result is a tuple is
compiled once more for each set of operands that want a gradient, with the rest left out.
Entry: `rule_for(op, wanted)`. Imports: ir, ops.
"""

from __future__ import annotations

import ast
import copy
import inspect
import sys
import textwrap
from collections.abc import Callable
from typing import Any

from jitgrad.ir.op import Op
from jitgrad.ops.fill import no_gradient

UNUSED, SHAPE, VALUE = 0, 1, 2  # what a rule wants of y and of each operand
_FACTS = frozenset(["shape", "dtype", "device", "ndim"])
# functions that look at an argument's shape and dtype only, by the position of that argument
_SHAPE_ONLY = {"zeros_of": 0, "full_of": 1}


class Rule:
    """A gradient rule and what it reads of `y` and the operands."""

    __slots__ = ("fn", "reads", "rest")

    def __init__(self, fn: Callable[..., Any], reads: tuple[int, ...], rest: int) -> None:
        self.fn = fn
        self.reads = reads  # of y, then of each operand
        self.rest = rest  # of operands that have no name of their own (*parts)


_rules: dict[tuple[Op, int], Rule] = {}


def rule_for(op: Op, wanted: int) -> Rule:
    """The rule of `op` for the operands whose bits are set in `wanted`."""
    rule = _rules.get((op, wanted))
    if rule is None:
        watching = sys.getprofile()  # a compiled function; reading a source is thousands of calls
        sys.setprofile(None)
        try:
            rule = _rules[op, wanted] = _specialise(op, wanted)
        finally:
            sys.setprofile(watching)
    return rule


def _specialise(op: Op, wanted: int) -> Rule:
    fn = op.gradient
    if fn is no_gradient:
        return Rule(fn, (UNUSED,), SHAPE)
    tree = _parse(fn)
    if tree is None:
        return Rule(fn, (), VALUE)
    names = [a.arg for a in tree.args.args]
    body = _wanted_body(tree, wanted)
    if body is not None and not fn.__code__.co_freevars:
        fn = _compile(fn, tree, body)
    uses = _Uses(set(names))
    for statement in body or tree.body:
        uses.visit(statement)
    count = 1 + (len(op.params) if tree.args.vararg is None else 0)
    return Rule(fn, tuple(uses.level.get(n, UNUSED) for n in names[1 : 1 + count]), VALUE)


def _parse(fn: Any) -> ast.FunctionDef | None:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(fn)))
    except (OSError, TypeError, SyntaxError):
        return None
    first = tree.body[0]
    if not isinstance(first, ast.FunctionDef) or first.name != fn.__name__:
        return None  # a lambda inside the statement that defines the op
    return first


def _wanted_body(tree: ast.FunctionDef, wanted: int) -> list[ast.stmt] | None:
    """The body with unwanted results None and what only they used gone; None to leave it."""
    last = tree.body[-1]
    if not isinstance(last, ast.Return) or not isinstance(last.value, ast.Tuple):
        return None
    if any(isinstance(s, ast.Return) for s in tree.body[:-1]) or tree.args.vararg:
        return None
    elements = [e if wanted >> i & 1 else ast.Constant(None) for i, e in enumerate(last.value.elts)]
    body: list[ast.stmt] = [ast.Return(ast.Tuple(elements, ast.Load()))]
    live = _loads(body[0])
    for statement in reversed(tree.body[:-1]):
        if isinstance(statement, ast.Assign) and not _stores(statement) & live:
            continue
        live |= _loads(statement)
        body.insert(0, statement)
    return body


def _loads(tree: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def _stores(tree: ast.AST) -> set[str]:
    return {
        n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }


def _compile(fn: Any, tree: ast.FunctionDef, body: list[ast.stmt]) -> Callable[..., Any]:
    new = copy.copy(tree)
    new.name, new.body, new.decorator_list = "rule", body, []
    module = ast.fix_missing_locations(ast.Module([new], []))
    ast.increment_lineno(module, fn.__code__.co_firstlineno - 1)
    scope: dict[str, Any] = {}
    exec(compile(module, fn.__code__.co_filename, "exec"), fn.__globals__, scope)
    return scope["rule"]


class _Uses(ast.NodeVisitor):
    """How far each parameter is read: its value, or only its shape and dtype."""

    def __init__(self, names: set[str]) -> None:
        self.names = names
        self.level: dict[str, int] = {}

    def _note(self, node: ast.AST, level: int) -> bool:
        if not isinstance(node, ast.Name) or node.id not in self.names:
            return False
        self.level[node.id] = max(level, self.level.get(node.id, UNUSED))
        return True

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if not (node.attr in _FACTS and self._note(node.value, SHAPE)):
            self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        skip = None
        if isinstance(node.func, ast.Name):
            at = _SHAPE_ONLY.get(node.func.id)
            if at is not None and len(node.args) > at + 1 and self._note(node.args[at], SHAPE):
                skip = node.args[at]
        for child in ast.iter_child_nodes(node):
            if child is not skip:
                self.visit(child)

    def visit_Name(self, node: ast.Name) -> None:
        self._note(node, VALUE)
