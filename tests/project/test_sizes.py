"""Files stay small, say what they are for, and hold nothing that must not be published."""

import ast

LINES = 500


def _sources(root):
    for top in ("jitgrad", "kernels", "tests", "examples"):
        for path in sorted((root / top).rglob("*.py")):
            if "golden" not in path.parts:
                yield path


def test_files_are_small(root):
    long = {str(path): n for path in _sources(root) if (n := path.read_text().count("\n")) > LINES}
    assert not long


def test_modules_say_their_job(root):
    silent = [
        str(path) for path in _sources(root) if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not silent


def test_nothing_pickles(root):
    users = [str(p) for p in (root / "jitgrad").rglob("*.py") if "import pickle" in p.read_text()]
    assert not users
