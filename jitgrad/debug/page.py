"""The stages of programs as one page of HTML that needs nothing beside it. Entry: `page`.

Imports: the modules beside it.
"""

from __future__ import annotations

import linecache
from html import escape
from typing import Any

from jitgrad.debug.stages import Stages
from jitgrad.runtime import ceilings

_STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 72em; color: #222;
  padding: 0 1em; background: #fff; }
h1 { font-size: 1.5em; } h2 { font-size: 1.2em; margin-top: 2em; } h3 { font-size: 1em; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; color: #666; }
td, th { padding: .15em .8em .15em 0; vertical-align: top; border-bottom: 1px solid #eee; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
code, pre, .op { font: 12px/1.5 ui-monospace, monospace; } .op { white-space: pre; }
pre { background: #f6f6f4; padding: 1em; overflow-x: auto; } a { color: #06c; }
.low { color: #b00; } .bar { display: inline-block; height: .7em; background: #7a9; }
.bar.low { background: #d76; } .scroll { overflow-x: auto; } .dim { color: #777; }
svg text { font: 11px ui-monospace, monospace; } summary { cursor: pointer; }
"""
_LEGEND = "share of the ceiling: a copy of as many bytes, or the best matrix product, as a part of"
_ROW, _STEP, _WIDTH = 22, 26, 900


def page(programs: list[Stages]) -> str:
    """The whole page."""
    kernels = sum(p.schedule.kernel_count * p.times for p in programs)
    parts = [f"<h1>{kernels} kernels</h1>"]
    for number, program in enumerate(programs, 1):
        if len(programs) > 1:
            parts.append(f"<h2>program {number} of {len(programs)}</h2>")
        parts += [
            _steps(number, program), _lines(number, program), _memory(program),
            _graph(number, program),
        ]  # fmt: skip
    sources = {name: text for p in programs for name, text in p.sources.items()}
    parts += ["<h2>sources</h2>", *(_source(name, text) for name, text in sources.items())]
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>jitgrad</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _table(head: list[tuple[str, bool]], rows: list[list[str]]) -> str:
    """A table; the flag of a column says that it holds figures."""
    kinds = [' class="n"' if figure else "" for _, figure in head]
    top = "".join(f"<th{k}>{escape(text)}</th>" for k, (text, _) in zip(kinds, head, strict=True))
    lines = [
        "<tr>"
        + "".join(f"<td{k}>{cell}</td>" for k, cell in zip(kinds, row, strict=True))
        + "</tr>"
        for row in rows
    ]
    return f"<table><tr>{top}</tr>\n{chr(10).join(lines)}</table>"


# ---- steps and lines


def _steps(number: int, program: Stages) -> str:
    rows = []
    for k, step in enumerate(program.steps, 1):
        more = " (combine)" if step.combine else ""
        more += f" ({step.segments} segments)" if step.segments > 1 else ""
        time = rate = "-"
        if step.seconds is not None:
            time = f"{step.seconds * 1e6:.1f}"
            rate = f"{step.nbytes / step.seconds / 1e9:.1f}"
        rows.append(
            [
                f'<a id="p{number}s{k}">{k}</a>', f"{_kernel(step.name)}{more}",
                escape(", ".join(step.lines)), f"{step.nbytes:,}", f"{step.flops:,}", time, rate,
                _share(step.share),
            ]
        )  # fmt: skip
    names = ["bytes", "flops", "µs", "GB/s", "ceiling"]
    head = [("step", True), ("kernel", False), ("your lines", False), *((n, True) for n in names)]
    text = f"{_LEGEND} the time; under {ceilings.LOW:.0%} is marked"
    fired = ", ".join(dict.fromkeys(program.schedule.fired)) or "none"
    return (
        f'<h3>steps</h3>{_table(head, rows)}<p class="dim">{escape(text)}. '
        f"Rewrites that fired: {escape(fired)}.</p>"
    )


def _kernel(name: str) -> str:
    return f'<a href="#{escape(name)}"><code>{escape(name)}</code></a>'


def _share(share: float | None) -> str:
    if share is None:
        return "-"
    low = " low" if share < ceilings.LOW else ""
    bar = f'<span class="bar{low}" style="width:{round(60 * min(share, 1.0))}px"></span>'
    return f'<span class="{low.strip()}">{share:.0%}</span> {bar}'


def _step_links(number: int, steps: list[int]) -> str:
    return " ".join(f'<a href="#p{number}s{k + 1}">{k + 1}</a>' for k in steps)


def _lines(number: int, program: Stages) -> str:
    """The user's lines with their text and the steps that serve them."""
    found: dict[tuple[str, int], set[int]] = {}
    for _, site, steps in program.rows:
        if steps:
            found.setdefault(site, set()).update(steps)
    rows = []
    for (file, line), served in found.items():
        text = linecache.getline(file, line).strip()
        where = f"{escape(file.rpartition('/')[2])}:{line}"
        links = _step_links(number, sorted(served))
        rows.append([where, f"<code>{escape(text)}</code>", links])
    head = [("line", False), ("", False), ("steps", False)]
    return f"<h3>your lines</h3>{_table(head, rows)}"


# ---- memory


def _memory(program: Stages) -> str:
    """A table of the buffers, and of the temporary ones a picture: steps across, bytes down."""
    rows = []
    for cell in program.memory:
        where = f"at {cell.where:,}" if isinstance(cell.where, int) else cell.where
        alive = f"{cell.first + 1}-{cell.last + 1}"
        if not isinstance(cell.where, int):
            alive = f"{cell.first + 1}-"
        rows.append([escape(cell.what), f"{cell.nbytes:,}", where, alive])
    head = [("value", False), ("bytes", True), ("where", True), ("steps", True)]
    text = (
        f"{program.peak_bytes:,} bytes at most, {program.input_bytes:,} of them inputs and "
        f"{program.arena_bytes:,} bytes for temporary values, which are "
        f"{program.temporary_bytes:,} bytes: one takes the place of another that is not needed any "
        "more"
    )
    return f"<h3>memory</h3><p>{text}.</p>{_picture(program)}{_table(head, rows)}"


def _picture(program: Stages) -> str:
    cells = [(cell, cell.where) for cell in program.memory if isinstance(cell.where, int)]
    if not cells or not program.arena_bytes:
        return ""
    steps = len(program.steps)
    across = max(_STEP, min(60, _WIDTH // max(1, steps)))
    height = _ROW * min(12, max(3, len(cells)))
    scale = height / program.arena_bytes
    boxes = []
    for n, (cell, where) in enumerate(cells):
        x, y = cell.first * across, where * scale
        width, high = (cell.last - cell.first + 1) * across - 2, max(2.0, cell.nbytes * scale - 1)
        color = f"hsl({n * 47 % 360} 40% 75%)"
        boxes.append(
            f'<rect x="{x}" y="{y:.1f}" width="{width}" height="{high:.1f}" fill="{color}">'
            f"<title>{escape(cell.what)}: {cell.nbytes:,} bytes</title></rect>"
        )
    ticks = [
        f'<text x="{k * across + across / 2}" y="{height + 14}" text-anchor="middle">{k + 1}</text>'
        for k in range(steps)
    ]
    size = f'width="{steps * across}" height="{height + 20}"'
    return f'<div class="scroll"><svg {size}>{"".join(boxes + ticks)}</svg></div>'


# ---- graph and sources


def _graph(number: int, program: Stages) -> str:
    rows: list[list[Any]] = [
        [f'<span class="op">{escape(line)}</span>', _step_links(number, steps)]
        for line, _, steps in program.rows
    ]
    rows.append([f'<span class="op">{escape(program.graph.splitlines()[-1])}</span>', ""])
    table = _table([("operation", False), ("steps", True)], rows)
    return (
        f"<h3>graph{program.turn}</h3><details>"
        f"<summary>{len(program.rows)} recorded operations</summary>"
        f'<div class="scroll">{table}</div></details>'
    )


def _source(name: str, text: str) -> str:
    return (
        f'<details id="{escape(name)}" open><summary><code>{escape(name)}</code></summary>'
        f"<pre>{escape(text.rstrip())}</pre></details>"
    )
