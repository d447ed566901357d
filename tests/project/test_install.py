"""Bare checkout, sdist, wheel and editable install each import jitgrad and jitgrad.kernels.

Everything is built without network: this environment's tools and dependencies serve the new ones.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile

import pytest

PROBE = """
import importlib, json, pkgutil
import jitgrad, jitgrad.kernels
names = sorted(m.name for m in pkgutil.iter_modules(jitgrad.kernels.__path__))
importlib.import_module("jitgrad.kernels." + names[0])
print(json.dumps([jitgrad.__file__, jitgrad.kernels.__file__, names]))
"""


def _run(*command, cwd, **env):
    # The checkout under test must not be on the path of an installed one.
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env={**clean, **env}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _sources(root, folder):
    return sorted(path.name for path in (root / folder).glob("*.py"))


@pytest.fixture(scope="module")
def checkout(root, tmp_path_factory):
    """A copy of what a release is made of, so that building writes nothing into the tree."""
    copy = tmp_path_factory.mktemp("checkout")
    unwanted = shutil.ignore_patterns("__pycache__")
    for folder in ("jitgrad", "kernels"):
        shutil.copytree(root / folder, copy / folder, ignore=unwanted)
    for name in ("pyproject.toml", "setup.cfg", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(root / name, copy)
    return copy


@pytest.fixture
def environment(tmp_path):
    """A new environment that sees this one's packages, but none of its editable installs."""
    _run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv", cwd=tmp_path)
    site = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return tmp_path / "venv" / "bin" / "python"


def _pip(environment, *arguments, cwd):
    install = ("install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation")
    pip = ("-m", "pip", "--disable-pip-version-check", *install, "--ignore-installed")
    _run(environment, *pip, *arguments, cwd=cwd)


def _check(python, root, cwd):
    package, kernels, names = json.loads(_run(python, "-c", PROBE, cwd=cwd))
    assert [f"{name}.py" for name in names] == [
        name for name in _sources(root, "kernels") if name != "__init__.py"
    ]
    return package, kernels


def test_bare_checkout(checkout, root, environment):
    package, kernels = _check(environment, root, checkout)
    assert package == str(checkout / "jitgrad" / "__init__.py")
    assert kernels == str(checkout / "kernels" / "__init__.py")


def test_editable(checkout, root, environment, tmp_path):
    _pip(environment, "--editable", checkout, cwd=tmp_path)
    package, kernels = _check(environment, root, tmp_path)
    assert package == str(checkout / "jitgrad" / "__init__.py")
    assert kernels == str(checkout / "kernels" / "__init__.py")


def test_wheel_from_sdist(checkout, root, environment, tmp_path):
    out = tmp_path / "dist"
    build = ("-m", "build", "--no-isolation", "--outdir", out)
    _run(sys.executable, *build, checkout, cwd=tmp_path)  # the sdist, and the wheel from it
    (wheel,) = out.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    for path in (root / "jitgrad").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert path.relative_to(root).as_posix() in held
    assert {f"jitgrad/kernels/{name}" for name in _sources(root, "kernels")} <= held
    assert not [name for name in held if name.startswith(("kernels/", "tests/"))]
    _pip(environment, wheel, cwd=tmp_path)
    package, kernels = _check(environment, root, tmp_path)
    assert package.startswith(str(environment.parent.parent))
    assert kernels.startswith(package.removesuffix("__init__.py"))
