"""The README's commands exist, and setting up takes exactly two."""

import re

import pytest


@pytest.fixture(scope="module")
def readme(root):
    return (root / "README.md").read_text()


def _blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_set_up_is_two_commands(readme):
    first = _blocks(readme, "sh")[0]
    assert [line.split("#")[0].strip() for line in first.splitlines()] == ["make demo", "make test"]


def test_make_targets_exist(readme, root):
    targets = set(re.findall(r"^([\w-]+):", (root / "Makefile").read_text(), re.MULTILINE))
    used = set(re.findall(r"`?\bmake ([a-z][\w-]*)", "\n".join(_blocks(readme, "sh"))))
    assert used <= targets


def test_files_named_exist(readme, root):
    for name in re.findall(r"\]\(([\w./-]+)\)", readme):
        assert (root / name).exists(), name


def test_python_of_the_readme_runs(readme):
    for block in _blocks(readme, "python"):
        exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
