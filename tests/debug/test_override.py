"""`debug.override`: an edited kernel runs in every mode, until it is removed."""

import gc

import pytest

import jitgrad as jg
from jitgrad.runtime import build, overrides


@pytest.fixture(autouse=True)
def _none_left():
    yield
    left = dict(overrides.edits)
    overrides.edits.clear()
    assert not left


@pytest.fixture
def double(tmp_path):
    """The kernel file of `x * 2`, and a function that computes it."""
    x = jg.arange(4.0).realize()
    (file,) = jg.debug.eject(x * 2, tmp_path / "kernels")
    return file, lambda: (x * 2).tolist()


def _edit(file, old="x_ * s0", new="x_ + s0", name="edited.py"):
    text = file.read_text()
    assert old in text
    path = file.with_name(name)
    path.write_text(text.replace(old, new))
    return path


def test_until_it_is_removed(double):
    file, run = double
    assert run() == [0, 2, 4, 6]
    edit = jg.debug.override(file.stem, _edit(file))
    assert edit.active and run() == [2, 3, 4, 5]
    assert repr(edit).endswith("edited.py>")
    edit.remove()
    edit.remove()
    assert not edit.active and run() == [0, 2, 4, 6]
    assert repr(edit).endswith("edited.py, removed>")


def test_as_a_context_and_other_kernels_stay(double):
    file, run = double
    with jg.debug.override(file.stem, _edit(file)):
        assert run() == [2, 3, 4, 5]
        assert (jg.arange(4.0) - 1).tolist() == [-1, 0, 1, 2]
    assert run() == [0, 2, 4, 6]


def test_a_later_edit_takes_the_place_of_an_earlier_one(double):
    file, run = double
    first = jg.debug.override(file.stem, _edit(file))
    second = jg.debug.override(file.stem, _edit(file, new="x_ - s0", name="second.py"))
    assert run() == [-2, -1, 0, 1]
    first.remove()  # it holds no more: nothing happens
    assert second.active and run() == [-2, -1, 0, 1]
    second.remove()
    assert run() == [0, 2, 4, 6]


def test_compiled_functions_that_exist(double):
    file, _ = double
    step = jg.compile(lambda x: x * 2)
    x = jg.arange(4.0)
    for _ in range(3):
        step(x)
    with jg.debug.override(file.stem, _edit(file)):
        assert step(x).tolist() == [2, 3, 4, 5]
    assert step(x).tolist() == [0, 2, 4, 6]
    again = jg.compile(lambda x: x * 2)
    with jg.debug.override(file.stem, _edit(file)):  # and one that is recorded under the edit
        assert [again(x).tolist() for _ in range(4)] == [[2, 3, 4, 5]] * 4
    assert again(x).tolist() == [0, 2, 4, 6]


def test_eager_mode(double):
    file, run = double
    with jg.mode("eager"), jg.debug.override(file.stem, _edit(file)):
        assert run() == [2, 3, 4, 5]


def test_before_the_kernel_was_ever_generated(tmp_path):
    x = jg.arange(3.0).realize()
    (file,) = jg.debug.eject(((x - 7).exp() * 0.25 + 3), tmp_path / "kernels")
    name, path = file.stem, _edit(file, "exp_f32(sub)", "sub")
    jg.runtime.flush.forget()
    gc.collect()  # no program runs it any more
    with jg.debug.override(name, path):
        assert ((x - 7).exp() * 0.25 + 3).tolist() == [1.25, 1.5, 1.75]
    assert ((x - 7).exp() * 0.25 + 3).tolist() != [1.25, 1.5, 1.75]


def test_interpreted(double, monkeypatch):
    file, run = double
    monkeypatch.setenv("JITGRAD_JIT", "0")
    with jg.debug.override(file.stem, _edit(file)):
        assert run() == [2, 3, 4, 5]
    assert run() == [0, 2, 4, 6]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("(error, x, s0,", "(error, s0, x,", r"takes \(error, s0, x, .*called with \(error, x, s0"),
        (", scratch):", ", scratch, more):", r"scratch, more\), but it is called with"),
        (", scratch):", ", *scratch):", "plain arguments only"),
        ("def mul_", "def other_", "defines other_.*, not mul_"),
        ("for j in", "for for in", r"edited.py:\d+: invalid syntax"),
    ],
)
def test_what_does_not_fit_is_refused(double, old, new, message):
    file, run = double
    with pytest.raises(ValueError, match=message):
        jg.debug.override(file.stem, _edit(file, old, new))
    assert run() == [0, 2, 4, 6]


def test_arguments_are_checked_when_the_kernel_is_generated_later(tmp_path):
    path = tmp_path / "edited.py"
    x = jg.arange(3.0).realize()
    name = next(iter(jg.debug.explain(x.sin() * 0.125 - 9).sources))
    path.write_text(f"def {name}(error, x):\n    return 0\n")
    with jg.debug.override(name, path), pytest.raises(ValueError, match="but it is called with"):
        (x.sin() * 0.125 - 9).tolist()
    assert (x.sin() * 0.125 - 9).tolist()[0] == -9


def test_what_does_not_compile_leaves_what_was(double):
    file, run = double
    good = jg.debug.override(file.stem, _edit(file))
    with pytest.raises(build.CompileError, match="does not compile"):
        jg.debug.override(file.stem, _edit(file, new="x_ + nothing", name="bad.py"))
    assert good.active and run() == [2, 3, 4, 5]
    good.remove()


def test_a_file_that_is_not_there(double):
    with pytest.raises(FileNotFoundError):
        jg.debug.override(double[0].stem, "/nowhere/at/all.py")
