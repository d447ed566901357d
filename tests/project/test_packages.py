"""setup.cfg's package list is the tree, and nothing public hides behind a submodule."""

import configparser
import importlib


def _tree(root):
    found = {"jitgrad.kernels"}
    for init in root.glob("jitgrad/**/__init__.py"):
        found.add(".".join(init.parent.relative_to(root).parts))
    return found


def test_setup_cfg_lists_every_package(root):
    config = configparser.ConfigParser()
    config.read(root / "setup.cfg")
    listed = config["options"]["packages"].split()
    assert listed == sorted(set(listed))
    assert set(listed) == _tree(root)


def test_every_folder_of_modules_is_a_package(root):
    for top in ("jitgrad", "kernels"):
        folders = {path.parent for path in (root / top).rglob("*.py")}
        bare = [str(folder) for folder in folders if not (folder / "__init__.py").is_file()]
        assert not bare


def test_package_data_exists(root):
    config = configparser.ConfigParser()
    config.read(root / "setup.cfg")
    for package, patterns in config["options.package_data"].items():
        for pattern in patterns.split():
            assert list(root.joinpath(*package.split(".")).glob(pattern)), (package, pattern)


def test_no_submodule_hides_behind_a_function(root):
    """`jitgrad.x.y` is the module y wherever there is one: `import` and attribute agree."""
    modules = [
        ".".join(path.relative_to(root).with_suffix("").parts)
        for path in root.glob("jitgrad/**/*.py")
        if path.stem not in ("__init__", "__main__")
    ]
    hidden = []
    for name in sorted(modules):
        package, _, last = name.rpartition(".")
        module = importlib.import_module(name)
        if getattr(importlib.import_module(package), last) is not module:
            hidden.append(name)
    assert not hidden
