"""The key of a kernel: each thing its code depends on changes it, and nothing else does."""

import ast

import pytest

from jitgrad.runtime import elf, machine, sources
from tests.runtime import samples

IMPORTS = "from jitgrad.kernels.math import tanh_f32\n"
BODY = "y[i] = tanh_f32(x[i])"
PARAMS = (("x", "f32*"), ("y", "f32*"))
KERNEL = samples.kernel("k", BODY, PARAMS, IMPORTS)
MODULES = sorted(
    path.stem for path in (samples.ROOT / "kernels").glob("*.py") if path.stem != "__init__"
)


@pytest.fixture
def edit(monkeypatch):
    """`edit(file, old, new)`: from now on the file's text reads otherwise."""
    texts = sources._text

    def apply(file, old, new):
        def changed(package, name):
            text = texts(package, name)
            if name == file:
                assert old in text
                text = text.replace(old, new)
            return text

        sources.forget()
        monkeypatch.setattr(sources, "_text", changed)

    yield apply
    monkeypatch.undo()
    sources.forget()


def _key(kernel=KERNEL):
    return sources.key(kernel)


def test_name_comments_and_docstring_do_not_count():
    text = KERNEL.source.replace("def k(", "def other_name(")
    text = '"""Layer 3, from model.py:12."""\n' + text.replace(
        "    for i", "    # recorded at model.py:12\n    for i"
    )
    assert _key(samples.Kernel("other_name", text, PARAMS)) == _key()


@pytest.mark.parametrize(
    "kernel",
    [
        samples.kernel("k", BODY + " + x[i]", PARAMS, IMPORTS),
        samples.kernel("k", BODY, PARAMS, IMPORTS.replace("tanh", "exp")),
        samples.kernel("k", BODY, PARAMS, IMPORTS + "_ONE = np.float32(1)\n"),
        samples.kernel("k", BODY, (("x", "f64*"), ("y", "f32*")), IMPORTS),
        samples.kernel("k", BODY, (("x", "f32*", 0), ("y", "f32*", 0)), IMPORTS),
    ],
)
def test_body_constants_and_parameters_count(kernel):
    assert _key(kernel) != _key()


def test_scopes_count_by_pattern():
    one = samples.kernel("k", BODY, (("x", "f32*", 5), ("y", "f32*", 9)), IMPORTS)
    two = samples.kernel("k", BODY, (("x", "f32*", 1), ("y", "f32*", 0)), IMPORTS)
    assert _key(one) == _key(two)


def test_functions_that_are_called_count_transitively():
    reached = sources.needs(KERNEL)
    names = {name for _, name in reached}
    assert "tanh_f32" in names and "log10_f32" not in names
    assert ("jitgrad.kernels.intrinsics_llvm", "*") in reached


def _file_of(function):
    folder = samples.ROOT / "kernels"
    (found,) = [p.name for p in folder.glob("*.py") if f"\ndef {function}(x):" in p.read_text()]
    return found


def test_editing_a_function_that_is_called(edit):
    before = _key()
    edit(_file_of("tanh_f32"), "def tanh_f32(x):", "def tanh_f32(x):\n    x = x + x")
    assert _key() != before


def test_editing_an_intrinsic(edit):
    before = _key()
    edit("intrinsics_llvm.py", "fma", "fma ")
    assert _key() != before


def test_editing_another_function(edit):
    before = _key()
    edit(_file_of("log10_f32"), "def log10_f32(x):", "def log10_f32(x):\n    x = x + x")
    assert _key() == before


@pytest.mark.parametrize("file", [file for _, file in sources._CODEGEN])
def test_editing_the_code_generator(edit, file):
    before = _key()
    edit(file, "import", "import  ")
    assert _key() != before


@pytest.mark.parametrize(
    "target, name, value",
    [
        (sources, "_numba_version", lambda: "9.9"),
        (sources.llvmlite, "__version__", "9.9"),
        (sources.np, "__version__", "9.9"),
        (sources.platform, "python_version", lambda: "9.9"),
        (sources.platform, "machine", lambda: "other"),
        (machine, "cpu", lambda: ("generic", "")),
    ],
)
def test_versions_and_cpu_count(monkeypatch, target, name, value):
    before = _key()
    monkeypatch.setattr(target, name, value)
    sources.environment.cache_clear()
    assert _key() != before
    monkeypatch.undo()
    sources.environment.cache_clear()
    assert _key() == before


def test_numba_cpu_name_is_obeyed(tmp_path):
    code = "from jitgrad.runtime import machine; print(machine.cpu())"
    assert samples.python(code, tmp_path, NUMBA_CPU_NAME="generic").split() == [
        "('generic',",
        "'')",
    ]


@pytest.mark.parametrize("name", MODULES)
def test_the_index_of_names_agrees_with_the_parser(name):
    text = (samples.ROOT / "kernels" / f"{name}.py").read_text()
    names = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                names |= {n.id for n in ast.walk(target) if isinstance(n, ast.Name)}
    found = sources._Module(text, name)
    assert names <= set(found.texts)
    imported = {
        alias.asname or alias.name
        for node in ast.parse(text).body
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }
    assert imported == set(found.imports)


def test_object_symbols():
    from jitgrad.runtime import build, cache

    function = build.get(KERNEL)
    entry, _ = cache.fetch(function.key)
    defined, undefined = elf.symbols(entry.code)
    assert defined == {entry.symbol} and undefined == set(entry.needs)
    for bad in (b"", b"\x7fELF", entry.code[:100], b"MZ" + entry.code[2:]):
        with pytest.raises(ValueError):
            elf.symbols(bad)
