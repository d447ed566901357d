"""Snippets of PyTorch programs beside PyTorch: equal values, shapes, dtypes, errors and text."""

import importlib.util
from pathlib import Path

import pytest


def _beside(name):
    path = Path(__file__).parent / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


peer, snippets, texts = map(_beside, ("peer", "snippets", "snippets_text"))

X = "x = torch.arange(24.).reshape(2, 3, 4); "


@pytest.mark.parametrize("expression", snippets.INDEXING.strip().splitlines())
def test_reading_by_index(expression):
    peer.check(f"{X}out = {expression}")


@pytest.mark.parametrize("statement", snippets.WRITES.strip().splitlines())
def test_writing(statement):
    peer.check(f"{X}base = x; {statement}; out = [x, base]")


@pytest.mark.parametrize("expression", snippets.SHAPES.strip().splitlines())
def test_shapes(expression):
    peer.check(f"{X}out = {expression}")


@pytest.mark.parametrize("expression", snippets.MATHS.strip().splitlines())
def test_maths(expression):
    peer.check(f"{X}out = {expression}" if " = " not in expression else f"{X}{expression}")


@pytest.mark.parametrize("expression", texts.REPR.strip().splitlines())
def test_text(expression):
    peer.check(f"{X}out = repr({expression}) + str({expression}) + f'{{{expression}}}'")


@pytest.mark.parametrize("expression", texts.HISTORY.strip().splitlines())
def test_names_of_history(expression):
    code = f"x = torch.rand(2, 3, 4, requires_grad=True); out = ({expression}).grad_fn.name()"
    peer.check(code)
