"""Imports run one way: kernels | ops, ir -> compiler -> runtime -> frontend -> rooms -> tools."""

import ast

LAYERS = (
    {"ir", "ops"},
    {"compiler"},
    {"runtime"},
    {"frontend"},
    {"autograd", "nn", "optim", "utils", "vision", "serialization", "testing"},
    {"debug", "bench"},
    {"cli", "__main__"},
)
RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}
PUBLIC = RANK["frontend"] + 1  # `import jitgrad`: the public names, for what stands above them


def _imports(tree):
    """The dotted names a module imports, relative ones refused by the test below."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _modules(root):
    for path in sorted(root.glob("jitgrad/**/*.py")):
        if path != root / "jitgrad" / "__init__.py":
            yield path, ast.parse(path.read_text())


def test_imports_run_one_way(root):
    wrong = []
    for path, tree in _modules(root):
        own = RANK[path.relative_to(root / "jitgrad").parts[0].removesuffix(".py")]
        for name in _imports(tree):
            top, _, rest = name.partition(".")
            part = rest.partition(".")[0]
            if top != "jitgrad" or part == "kernels":
                continue
            if own < RANK.get(part, PUBLIC):
                wrong.append(f"{path.relative_to(root)} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_kernels_import_only_kernels(root):
    wrong = []
    for path in sorted(root.glob("kernels/**/*.py")):
        for name in _imports(ast.parse(path.read_text())):
            if name.startswith("jitgrad") and not name.startswith("jitgrad.kernels"):
                wrong.append(f"{path.relative_to(root)} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_imports_are_absolute(root):
    relative = [
        str(path.relative_to(root))
        for path, tree in _modules(root)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not relative
