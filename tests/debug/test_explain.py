"""`debug.explain`: what it finds, and the docstrings of kernels."""

import ast
import re
from html.parser import HTMLParser

import pytest

import jitgrad as jg
from jitgrad.compiler import schedule as schedules
from jitgrad.compiler import snapshot
from jitgrad.compiler.header import headed
from jitgrad.debug.explaining import waiting
from jitgrad.runtime import ceilings, sources


def _net():
    """A step of a small network, recorded only."""
    jg.manual_seed(1)
    net = jg.nn.Sequential(jg.nn.Linear(6, 4), jg.nn.Tanh(), jg.nn.Linear(4, 3))
    x, y = jg.randn(5, 6), jg.tensor([0, 1, 2, 0, 1])
    jg.flush_all()
    loss = jg.nn.functional.cross_entropy(net(x), y)
    loss.backward()
    return loss, [p.grad for p in net.parameters()]


def test_nothing_is_run():
    y = jg.ones(4) + 1
    before = jg.stats()["flushes"]
    jg.debug.explain(y)
    assert jg.stats()["flushes"] == before
    y.realize()
    with pytest.raises(ValueError, match="every tensor is computed already"):
        jg.debug.explain(y)


def test_run_gives_timings_of_what_was_explained():
    loss, grads = _net()
    found = jg.debug.explain(loss, *grads, run=True)
    assert [name for name, _, _ in found.timings] == [name for name, _, _ in found.steps]
    assert all(seconds > 0 and size > 0 for _, seconds, size in found.timings)
    assert len(re.findall(r" us +\d+\.\d GB/s  \w+", str(found))) == len(found.steps)
    before = jg.stats()["flushes"]
    loss.item()
    assert jg.stats()["flushes"] == before


def test_docstrings_name_every_parameter_and_are_no_part_of_the_kernel():
    loss, grads = _net()
    snap = snapshot.take(waiting([loss, *grads], "explain"))
    schedule = schedules.build(snap)
    for step in schedule.steps:
        kernel = step.kernels[0]
        key, body, plain = sources.key(kernel), sources.body(kernel), kernel.source
        kernel.source = headed(schedule, step, snap.nodes)
        assert (sources.key(kernel), sources.body(kernel)) == (key, body)
        module = ast.parse(kernel.source)
        assert kernel.source.endswith(plain)
        text = ast.get_docstring(module)
        assert text.startswith(f"{kernel.name}: ") and "test_explain.py:" in text
        for name, *_ in kernel.params:
            assert re.search(rf"^ +{name}: \S", text, re.MULTILINE), name
        assert max(map(len, text.splitlines())) <= 100


def test_memory_of_temporary_values_is_shared():
    x = jg.ones(64, 64)
    jg.flush_all()
    y = x
    for _ in range(4):
        y = (y @ x).cumsum(0)
    (program,) = jg.debug.explain(y).programs
    cells = program.memory
    temporary = [cell for cell in cells if isinstance(cell.where, int)]
    assert [cell.where for cell in cells if cell not in temporary] == ["result"]
    assert program.temporary_bytes == sum(cell.nbytes for cell in temporary) == 7 * 64 * 64 * 4
    assert program.arena_bytes == 2 * 64 * 64 * 4
    for a in temporary:
        for b in temporary:
            apart = a.where + a.nbytes <= b.where or b.where + b.nbytes <= a.where
            assert a is b or apart or a.last < b.first or b.last < a.first
    assert "== memory: 32768 bytes for temporary values, which are 114688 bytes" in str(
        jg.debug.explain(y)
    )
    assert all(step.nbytes > 0 and step.seconds is None for step in program.steps)


def test_what_is_written_in_place():
    x = jg.zeros(8)
    jg.flush_all()
    x[2:4] = 5.0
    found = jg.debug.explain(jg.flush_all)
    assert [cell.where for cell in found.programs[0].memory] == ["in place"]
    assert x.tolist() == [0, 0, 5, 5, 0, 0, 0, 0]


def _step():
    w, x = jg.ones(6, 3, requires_grad=True), jg.randn(4, 6)
    optimizer = jg.optim.SGD([w], lr=0.1, momentum=0.9)

    def step():
        optimizer.zero_grad()
        loss = (x @ w).square().mean()
        loss.backward()
        optimizer.step()

    step()
    return step


@pytest.mark.parametrize("compiled", [False, True])
def test_a_training_step(compiled):
    step = _step()
    if compiled:
        step = jg.compile(step)
        for _ in range(3):
            step()
    found = jg.debug.explain(step)
    (program,) = found.programs
    assert found.kernels == program.schedule.kernel_count > 0
    assert all(seconds > 0 for _, seconds, _ in found.timings)
    assert len(found.timings) == len(found.steps)
    served = {line.partition(" ")[0] for stage in program.steps for line in stage.lines}
    assert served and all(line.startswith("test_explain.py:") for line in served)


def test_several_programs():
    x = jg.ones(3)
    found = jg.debug.explain(lambda n: [(x * k).sum().item() for k in range(n)], 2)
    assert len(found.programs) == 2
    text = str(found)
    assert "==== program 2 of 2" in text
    assert text.count("== source of") == len(found.sources) == len(found.programs[1].steps)
    with pytest.raises(ValueError, match="the function computed nothing"):
        jg.debug.explain(lambda: x * 2)


class _Page(HTMLParser):
    """What a page refers to, and what is in it."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.open, self.text = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "rect"):
            self.open.append(tag)
        for name, value in attrs:
            assert name not in ("src", "data", "action"), "a page stands alone"
            if name == "id":
                self.ids.append(value)
            elif name == "href":
                self.links.append(value)

    def handle_endtag(self, tag):
        if tag != "rect":
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_page(tmp_path, monkeypatch):
    monkeypatch.setattr(ceilings, "share", lambda seconds, nbytes, flops=0, suffix="": 0.42)
    loss, grads = _net()
    found = jg.debug.explain(loss, *grads, run=True)
    path = found.save(tmp_path / "page.html")
    html = path.read_text()
    page = _Page(html)
    assert not page.open and "http" not in html and "@import" not in html and "url(" not in html
    assert len(set(page.ids)) == len(page.ids)
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert set(found.sources) <= set(page.ids)
    text = "".join(page.text)
    assert all(source.rstrip() in text for source in found.sources.values())
    assert "loss = jg.nn.functional.cross_entropy(net(x), y)" in text  # the user's own line
    assert text.count("42%") == len(found.steps)
    for stage in found.programs[0].steps:
        assert f"{stage.nbytes:,}" in text
    assert "<svg" in html and "bytes for temporary values" in text
    assert "%0 = buffer" in text


def test_page_of_what_was_not_run():
    page = _Page(jg.debug.explain(jg.ones(3) + 1).html())
    assert not page.open and "1 kernels" in page.text


@pytest.mark.parametrize("what", [3, [jg.ones(2)], None])
def test_what_it_takes(what):
    with pytest.raises(TypeError, match="explain: expected Tensors or a function, not"):
        jg.debug.explain(what)
