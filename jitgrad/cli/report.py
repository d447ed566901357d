"""The environment report: what this machine offers, what is wrong and the command that mends it.

Entry `report`. May import jitgrad.runtime; imports no compiler. Each section is a function that
returns its lines and its faults; a fault is (what is wrong, the command that mends it).
"""

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

BLAS_SWITCHES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
CACHE_DIR = "JITGRAD_CACHE_DIR"
FEATURES = ("sse4.2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bf16", "neon", "sve")


def report():
    """All lines of the report, and the faults found."""
    lines, faults = [], []
    for section in (versions, processor, blas, threads, cache, switches):
        said, wrong = section()
        lines += said
        faults += wrong
    lines.append("")
    for what, mend in faults:
        lines += [f"wrong: {what}", f"  mend: {mend}"]
    if not faults:
        lines.append("nothing is wrong")
    return lines, faults


def _line(title, text):
    return f"{title:<10}{text}"


def _settings(found):
    return " ".join(f"{key}={value}" for key, value in found.items())


def versions():
    """jitgrad, Python, and every dependency against the range it was tested with."""
    import jitgrad

    found, faults = [], []
    for name, bounds in requirements():
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name} missing")
            faults.append((f"{name} is not installed", f"pip install '{name}{bounds}'"))
            continue
        found.append(f"{name} {version}")
        if not within(version, bounds):
            what = f"{name} {version} is outside the tested range {bounds}"
            faults.append((what, f"pip install '{name}{bounds}'"))
    head = f"{jitgrad.__version__}, Python {platform.python_version()}, {sys.platform}"
    return [_line("jitgrad", head), _line("with", ", ".join(found))], faults


def requirements():
    """(name, bounds) of the core dependencies: from the installed package, or the checkout."""
    project = Path(__file__).parents[2] / "pyproject.toml"
    if project.is_file():
        listed = tomllib.loads(project.read_text())["project"]["dependencies"]
    else:
        listed = importlib.metadata.requires("jitgrad") or []
    core = (text for text in listed if "extra ==" not in text)
    return [re.findall(r"^([\w.-]+)\s*([^;]*)", text)[0] for text in core]


def within(version, bounds):
    """Whether `version` meets bounds like ">=1.2,<2"; pre-release tags are not looked at.

    >>> within("2.4.6", ">=2.2,<2.5"), within("2.5.0", ">=2.2,<2.5")
    (True, False)
    """
    held = _numbers(version)
    for sign, limit in re.findall(r"(>=|<)\s*([\d.]+)", bounds):
        if (held >= _numbers(limit)) != (sign == ">="):
            return False
    return True


def _numbers(version):
    return [int(part) for part in re.findall(r"\d+", version)]


def processor():
    """The processor LLVM compiles for, and the vector features among those it has."""
    from llvmlite import binding

    have = binding.get_host_cpu_features()
    features = [name for name in FEATURES if have.get(name)]
    name = os.environ.get("NUMBA_CPU_NAME")
    faults = []
    if name and name != binding.get_host_cpu_name():
        faults.append((f"NUMBA_CPU_NAME={name}: not this processor", "unset NUMBA_CPU_NAME"))
    text = f"{binding.get_host_cpu_name()} ({platform.machine()}): {' '.join(features)}"
    return [_line("processor", text)], faults


def blas():
    """The core OpenBLAS chose, and what it would choose were it not told."""
    from jitgrad.runtime import blas

    core = blas.core_name()
    told = {key: os.environ[key] for key in BLAS_SWITCHES if key in os.environ}
    if not told:
        return [_line("blas", f"OpenBLAS, core {core}")], []
    line = _line("blas", f"OpenBLAS, core {core}, by {_settings(told)}")
    free = _free_core()
    if core == free and "OPENBLAS_L2_SIZE" not in told:
        return [line], []
    what = f"{_settings(told)}: OpenBLAS runs the core {core}, left alone it would run {free}"
    return [line], [(what, f"unset {' '.join(told)}")]


def _free_core():
    """The core chosen in a process without the switches: they are read when the library loads."""
    env = {key: value for key, value in os.environ.items() if key not in BLAS_SWITCHES}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    code = "from jitgrad.runtime import blas; print(blas.core_name())"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=env, capture_output=True, text=True).stdout.strip()


def threads():
    """The size of the pool against what affinity and cgroup limits allow."""
    from jitgrad.runtime import threads

    used, most = threads.get_num_threads(), threads.default_threads()
    return [_line("threads", f"{used} of {most} usable, {os.cpu_count()} in the machine")], []


def cache():
    """Where machine code is kept and how much of it, or why none is kept."""
    from jitgrad.runtime import cache

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        folder, files, size = cache.summary()
    if folder is None:
        mend = f"export {CACHE_DIR}=/path/of/a/private/folder"
        return [_line("cache", "in memory only")], [(str(entry.message), mend) for entry in said]
    return [_line("cache", f"{folder}: {files} kernels, {size / 1e6:.1f} MB")], []


def switches():
    """The six switches as set, and what looks like one but is none."""
    from jitgrad.runtime import switches

    found = {key: value for key, value in sorted(os.environ.items()) if key.startswith("JITGRAD_")}
    faults = []
    for key in found:
        if key not in switches.NAMES:
            faults.append((f"{key} is no switch; those are {', '.join(switches.NAMES)}", key))
            continue
        try:
            getattr(switches, key.removeprefix("JITGRAD_").lower())()
        except ValueError as error:
            faults.append((str(error), key))
    return [_line("switches", _settings(found) or "none set")], [
        (what, f"unset {key}") for what, key in faults
    ]
