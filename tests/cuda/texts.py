"""The CUDA source of the programs whose CPU source is pinned, and of an update of many segments.

Entry: `TEXTS`, name -> function that answers (source, number of kernels); `GOLDEN`, where the
pinned ones lie.
"""

from pathlib import Path

from jitgrad.compiler.cuda.text import segments
from tests.compiler import test_golden as pinned
from tests.cuda.graphs import scheduled, taken
from tests.cuda.programs import PROGRAMS

GOLDEN = Path(__file__).parent / "golden"


def steps(tensors):
    """The steps of the CUDA schedule of pending tensors."""
    return scheduled(taken(tensors)).steps


def text(make):
    """(source of all kernels with a line on how each is launched, how many they are)."""
    out = []
    for step in steps(make()):
        kernel = step.kernels[0]
        source = segments(kernel) if len(step.kernels) > 1 else kernel.source
        if source:
            out.append(f"# launch: {kernel.launch}\n{source.strip()}\n")
        else:
            arguments = ", ".join(name for name, _ in kernel.params)
            out.append(f"# launch: {kernel.launch}: {kernel.name}({arguments})\n")
    return "\n\n".join(out), len(out)


SOURCES = {**pinned.PROGRAMS, "segments": PROGRAMS["adam"], "positions": PROGRAMS["positions"]}
TEXTS = {name: lambda make=make: text(make) for name, make in SOURCES.items()}
