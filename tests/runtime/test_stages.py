"""JITGRAD_DEBUG=1 tells where the time of a first call went."""

import re

from tests.runtime import samples

CODE = (
    "import sys; sys.stderr = sys.stdout\nimport jitgrad as jg\n(jg.arange(8.0) * 3).sum().item()\n"
)


def _stages(directory):
    (line,) = samples.python(CODE, directory, JITGRAD_DEBUG="1").strip().splitlines()
    before = r"\d+ ms of recording and other code before"
    found = re.fullmatch(rf"jitgrad: schedule miss: .*, (\d+) ms \((.*)\), {before}", line)
    assert found, line
    parts = {name: int(ms) for name, ms in re.findall(r"([A-Za-z ]+?) (\d+)(?:, |$)", found[2])}
    return int(found[1]), parts


def test_compiled_then_loaded(tmp_path):
    total, parts = _stages(tmp_path / "cache")
    llvm = parts.pop("LLVM in its thread")
    assert {"importing Numba", "typing and lowering", "scheduling"} <= set(parts)
    assert llvm > 0 and 0.5 * total < sum(parts.values()) <= total + len(parts)
    total, parts = _stages(tmp_path / "cache")
    assert "loading" in parts and not {"importing Numba", "LLVM in its thread"} & set(parts)
    assert sum(parts.values()) <= total + len(parts)
