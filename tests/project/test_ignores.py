"""What the type checker is told to pass over says which error it is, and why that is none."""

import re
import tokenize
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXPLAINED = re.compile(r"# type: ignore\[[a-z-]+(, [a-z-]+)*\]  # \w.{5,}")


def ignores():
    """Every comment of the kind, as (file:line, text)."""
    for folder in ("jitgrad", "kernels", "tests", "examples"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "type: ignore" not in path.read_text():
                continue
            with path.open("rb") as lines:
                for token in tokenize.tokenize(lines.readline):
                    if token.type == tokenize.COMMENT and "type: ignore" in token.string:
                        yield f"{path.relative_to(ROOT)}:{token.start[0]}", token.string


def test_each_has_its_code_and_its_reason():
    found = dict(ignores())
    assert found, "nothing was looked at"
    assert {at: text for at, text in found.items() if not EXPLAINED.match(text)} == {}
