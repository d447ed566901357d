"""Imports run one way: kernels | ops, ir -> compiler -> runtime -> frontend -> rooms -> tools."""

import ast

LAYERS = (
    {"ir", "ops"},
    {"compiler"},
    {"runtime"},
    {"frontend"},
    {"autograd", "cuda", "nn", "optim", "utils", "vision", "serialization", "testing"},
    {"debug", "bench"},
    {"cli", "__main__"},
)
RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}
PUBLIC = RANK["frontend"] + 1  # `import jitgrad`: the public names, for what stands above them


def _imports(path, root):
    """The dotted names that the module at `path` imports, anywhere in it."""
    package = path.relative_to(root).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *filter(None, [node.module])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def test_imports_run_one_way(root):
    wrong = []
    for path in sorted(root.glob("jitgrad/*/**/*.py")) + [root / "jitgrad" / "__main__.py"]:
        own = RANK[path.relative_to(root / "jitgrad").parts[0].removesuffix(".py")]
        for name in _imports(path, root):
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
        for name in _imports(path, root):
            if name.startswith("jitgrad") and not name.startswith("jitgrad.kernels"):
                wrong.append(f"{path.relative_to(root)} imports {name}")
    assert not wrong, "\n".join(wrong)
