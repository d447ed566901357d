"""`debug.eject`: kernels and plan run by themselves and give the recorded bits."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import jitgrad as jg

# Modules that only jitgrad needs; the first two are asked for where kernels are to be compiled.
NUMBA = ("numba", "llvmlite")
WITHOUT = ("click", "tqdm", "safetensors")


def _run(folder, *names, without=(*NUMBA, *WITHOUT), **env):
    """What `python run.py` prints, in a process that cannot import jitgrad or `without`."""
    blocked = f"import sys; sys.modules.update(dict.fromkeys({without}))"
    code = f"{blocked}; import runpy; sys.path.insert(0, '.'); sys.argv[1:] = {list(names)}"
    code += "; runpy.run_path('run.py', run_name='__main__')"
    env |= {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


def _all_equal(paths, folder, *names, by="plain Python", **options):
    done = _run(folder, *names, **options)
    *lines, last = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[0] for line in lines] == [path.stem for path in paths]
    assert all(line.endswith("  equal") for line in lines)
    assert f" steps by {by}" in last and last.endswith("  equal")
    return last


def _step():
    jg.manual_seed(0)
    net = jg.nn.Sequential(jg.nn.Linear(6, 5), jg.nn.GELU(), jg.nn.Dropout(0.3), jg.nn.Linear(5, 3))
    optimizer = jg.optim.Adam(net.parameters())
    x, y = jg.randn(7, 6), jg.randint(0, 3, (7,))

    def step():
        optimizer.zero_grad()
        loss = jg.nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    step().item()
    return step


@pytest.mark.parametrize("compiled", [False, True])
def test_training_step(tmp_path, compiled):
    step = _step()
    if compiled:
        step = jg.compile(step)
        for _ in range(3):
            step()
    paths = jg.debug.eject(step, tmp_path)
    assert {name.split("_")[0] for name in (p.stem for p in paths)} >= {"matmul", "sqrt"}
    assert all(path.read_text().startswith(f'"""{path.stem}: ') for path in paths)
    _all_equal(paths, tmp_path)


def _small():
    """Two kernels: rows, and a product with what follows it."""
    x = jg.linspace(-1, 1, 24).reshape(4, 6)
    jg.flush_all()
    return lambda: (x.softmax(1) @ x.t()).relu().tolist()


def test_compiled_by_numba_alone(tmp_path):
    paths = jg.debug.eject(_small(), tmp_path)
    last = _all_equal(paths, tmp_path, by="Numba", without=WITHOUT)
    assert ", built in " in last


@pytest.mark.parametrize(("names", "env"), [(["--python"], {}), ([], {"NUMBA_DISABLE_JIT": "1"})])
def test_as_python_although_numba_is_there(tmp_path, names, env):
    paths = jg.debug.eject(_small(), tmp_path)
    _all_equal(paths, tmp_path, *names, without=WITHOUT, **env)


@pytest.mark.slow  # Numba takes a second or more for each kernel
def test_a_compiled_training_step_by_numba_alone(tmp_path):
    step = jg.compile(_step())
    for _ in range(3):
        step()
    _all_equal(jg.debug.eject(step, tmp_path), tmp_path, by="Numba", without=WITHOUT)


@pytest.mark.parametrize(("by", "without"), [("Numba", ()), ("plain Python", NUMBA)])
def test_products_without_openblas(tmp_path, by, without):
    a, b = jg.randn(9, 50).double(), jg.randn(50, 7).double()
    jg.flush_all()
    paths = jg.debug.eject(a @ b + 1, tmp_path)
    without = (*without, "scipy_openblas32", *WITHOUT)
    last = _all_equal(paths, tmp_path, by=by, without=without)
    assert "products by NumPy within a tolerance" in last
    text = paths[0].read_text()
    assert " + " in text
    paths[0].write_text(text.replace("add = ", "add = s0 + "))
    assert _run(tmp_path, without=without).returncode == 1


def test_the_plan_is_plain_data(tmp_path):
    x = jg.arange(6.0).reshape(2, 3).realize()
    (path,) = jg.debug.eject((x * 2).sum(1), tmp_path)
    (program,) = json.loads((tmp_path / "plan.json").read_text())
    (step,) = program["steps"]
    assert step["kernel"] == path.stem
    assert [line.split(":")[0] for line in step["lines"]] == ["test_eject.py"]
    (given,), (written,) = program["inputs"], step["writes"]
    np.testing.assert_array_equal(np.load(tmp_path / given["file"]), np.arange(6, dtype="f4"))
    np.testing.assert_array_equal(np.load(tmp_path / written["file"]), [6, 24])
    assert all(size % 64 == 0 for size in program["buffers"])


def test_a_fault_does_not_spread_to_the_steps_after_it(tmp_path):
    x = jg.linspace(0, 1, 50).realize()
    paths = jg.debug.eject(lambda: ((x.exp().realize() + 1).log().realize() * 2).tolist(), tmp_path)
    assert len(paths) == 3
    text = paths[1].read_text()
    paths[1].write_text(text.replace("log_f32(add)", "add"))
    lines = _run(tmp_path).stdout.splitlines()
    assert ["DIFFERS" in line for line in lines[:3]] == [False, True, False]
    assert lines[3].endswith("1 kernels DIFFER")


def test_views_writes_and_dtypes(tmp_path):
    base = jg.arange(24.0).reshape(4, 6)
    index = jg.tensor([3, 0, 3])
    jg.flush_all()

    def work():
        base[1:3, ::2] = base[2:4, 1::2].flip(0) * 2
        flags = (base > 4) & (base < 11)
        halves = base.t().double().flip(1).sum(0) / 3
        return [t.realize() for t in (base, flags, halves, base[index].int().cumsum(1))]

    _all_equal(jg.debug.eject(work, tmp_path), tmp_path)


def test_no_elements(tmp_path):
    x, column = jg.ones(4, 0), jg.ones(4, 1) * 2
    jg.flush_all()
    _all_equal(jg.debug.eject(lambda: (x / column.sqrt().realize()).realize(), tmp_path), tmp_path)


def test_what_was_computed_is_unharmed(tmp_path):
    x = jg.linspace(-1, 1, 50)
    y = (x.exp() * 3).sum()
    want = (x.exp() * 3).sum().numpy().copy()
    paths = jg.debug.eject(y, tmp_path / "new")
    np.testing.assert_array_equal(y.numpy(), want)
    assert {path.parent for path in paths} == {tmp_path / "new"}


def test_an_edited_kernel_differs(tmp_path):
    x = jg.arange(5.0)
    jg.flush_all()
    paths = jg.debug.eject([x * 3 + 1, x.cumsum(0)], tmp_path)
    first, second = sorted(paths, key=lambda path: path.name.startswith("add"))
    second.write_text(second.read_text().replace("mul + s1", "mul - s1"))
    done = _run(tmp_path, second.stem)
    assert done.returncode == 1
    assert done.stdout.count("\n") == 2 and "DIFFERS: data/" in done.stdout
    assert _run(tmp_path, first.stem).returncode == 0
    assert "no kernel nonsense" in _run(tmp_path, "nonsense").stderr


def test_folders(tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    x = jg.ones(3) + 1
    with pytest.raises(ValueError, match="is not empty"):
        jg.debug.eject(x, tmp_path)
    (tmp_path / "precious.txt").unlink()
    (old,) = jg.debug.eject(x, tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    (new,) = jg.debug.eject(jg.ones(3).exp(), tmp_path)
    assert new.exists() and not old.exists() and (tmp_path / "notes.txt").exists()
    with pytest.raises(ValueError, match="nothing was computed"):
        jg.debug.eject(x, tmp_path / "other")


def test_command(tmp_path, root):
    env = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-m", "jitgrad", "eject", "--out", str(tmp_path / "step")]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    head, *lines, last = done.stdout.splitlines()
    assert last.endswith(" steps by plain Python  equal")
    assert head.startswith(f"{len(lines)} kernels of one training step")
    assert len(lines) >= 5 and all(line.endswith("  equal") for line in lines)


@pytest.mark.parametrize(("what", "more"), [(3, ()), ([jg.ones(2) + 1, 3], ()), (jg.ones(2), (1,))])
def test_what_it_takes(tmp_path, what, more):
    with pytest.raises(TypeError, match="eject: (expected Tensors|arguments are for a function)"):
        jg.debug.eject(what, tmp_path / "out", *more)
