"""save and load: every kind of value, shared tensors, atomic files, refusal of pickles."""

import io
import json
import os
import signal
import struct
import subprocess
import sys
from collections import OrderedDict

import numpy as np
import pytest

import jitgrad as jg
from jitgrad import nn, optim


def round_trip(value, **options):
    file = io.BytesIO()
    jg.save(value, file)
    return jg.load(io.BytesIO(file.getvalue()), **options)


@pytest.mark.parametrize(
    "value",
    [
        3,
        -(2**80),
        1.5,
        float("inf"),
        "text/ü",
        True,
        None,
        b"\0bytes",
        [],
        (),
        {},
        [1, (2, [3]), {"a": {"b": None}}],
        {1: "int", "1": "str", (2, 3): "tuple", None: 0, 1.5: []},
        OrderedDict(b=1, a=2),
        {"tensor": 1, "dict": {"list": []}},
    ],
)
def test_plain_values(value):
    again = round_trip(value)
    assert again == value and type(again) is type(value)
    if isinstance(value, dict):
        assert list(again) == list(value)


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool"]
)
def test_tensor_dtypes(dtype):
    for shape in [(), (0, 3), (2, 3)]:
        tensor = jg.tensor(np.ones(shape, dtype))
        again = round_trip({"x": tensor})["x"]
        assert again.dtype == tensor.dtype and tuple(again.shape) == shape
        assert again.tolist() == tensor.tolist()


def test_other_kinds():
    value = {
        "dtype": jg.float64,
        "size": jg.ones(2, 3).shape,
        "array": np.arange(3, dtype=np.int16),
        "parameter": nn.Parameter(jg.ones(2)),
        "leaf": jg.ones(1, requires_grad=True),
        "view": jg.arange(6).reshape(2, 3).t(),
    }
    again = round_trip(value)
    assert again["dtype"] == jg.float64 and isinstance(again["size"], jg.Size)
    assert again["array"].dtype == np.int16 and again["array"].tolist() == [0, 1, 2]
    assert isinstance(again["parameter"], nn.Parameter) and again["leaf"].requires_grad
    assert again["view"].tolist() == [[0, 3], [1, 4], [2, 5]]
    again["leaf"].detach().zero_()  # loaded memory is writable


def test_tied_tensors_are_saved_once(tmp_path):
    net = nn.Sequential(nn.Linear(50, 50, bias=False), nn.Linear(50, 50, bias=False))
    net[1].weight = net[0].weight
    path = tmp_path / "net.safetensors"
    jg.save(net.state_dict(), path)
    assert path.stat().st_size < 1.5 * 4 * 50 * 50
    state = jg.load(path)
    with jg.no_grad():
        state["0.weight"].zero_()
    assert state["1.weight"].abs().sum().item() == 0
    jg.save({"a": jg.zeros(2), "b": jg.zeros(2)}, path)
    state = jg.load(path)
    state["a"].add_(1)
    assert state["b"].tolist() == [0, 0]  # equal values are not tied


def test_checkpoint_resumes(tmp_path):
    net = nn.Linear(3, 2)
    optimizer = optim.Adam(net.parameters(), lr=0.01)

    def step(net, optimizer):
        loss = (net(jg.ones(4, 3)) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    step(net, optimizer)
    path = tmp_path / "checkpoint"
    jg.save({"net": net.state_dict(), "opt": optimizer.state_dict(), "epoch": 1}, path)
    expected = [step(net, optimizer) for _ in range(3)]
    checkpoint = jg.load(path)
    other = nn.Linear(3, 2)
    assert str(other.load_state_dict(checkpoint["net"])) == "<All keys matched successfully>"
    again = optim.Adam(other.parameters(), lr=0.5)
    again.load_state_dict(checkpoint["opt"])
    assert [step(other, again) for _ in range(3)] == expected and checkpoint["epoch"] == 1
    assert checkpoint["net"]._metadata[""] == {"version": 1}


def test_other_readers_and_writers(tmp_path):
    from safetensors.numpy import load_file, save_file

    path = tmp_path / "x.safetensors"
    jg.save(nn.Linear(2, 3).state_dict(), path)
    assert {k: v.shape for k, v in load_file(path).items()} == {"weight": (3, 2), "bias": (3,)}
    save_file({"w": np.ones((2, 2), np.float32)}, path)
    assert jg.load(path)["w"].tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize(
    "value, text",
    [
        ({"a": [1, {2, 3}]}, r"obj\['a'\]\[1\] is a set"),
        (nn.Linear(1, 1), r"save its state_dict\(\)"),
        ({"x": object()}, r"obj\['x'\] is a object"),
    ],
)
def test_unknown_kinds(value, text):
    with pytest.raises(TypeError, match=text):
        jg.save(value, io.BytesIO())


def test_recursive_container():
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError, match="holds itself"):
        jg.save(loop, io.BytesIO())
    same = [1]
    assert round_trip([same, same]) == [[1], [1]]


def test_colliding_names():
    value = {
        "a.b": jg.ones(1),
        "a": {"b": jg.zeros(1)},
        0: jg.full((1,), 2.0),
        "0": jg.full((1,), 3.0),
    }
    again = round_trip(value)
    assert [again["a.b"].item(), again["a"]["b"].item(), again[0].item(), again["0"].item()] == [
        1.0,
        0.0,
        2.0,
        3.0,
    ]


@pytest.mark.parametrize("start", [b"\x80\x02", b"\x80\x04\x95", b"PK\x03\x04"])
def test_pickles_are_refused(tmp_path, start):
    path = tmp_path / "evil.pth"
    path.write_bytes(start + b"cos\nsystem\n" * 9)
    for weights_only in (None, True, False):
        with pytest.raises(RuntimeError, match=r"evil.pth is a pickle.*never unpickles"):
            jg.load(path, weights_only=weights_only)


def test_file_of_torch_is_refused(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch (torch) is not installed")
    torch.save({"a": torch.ones(2)}, tmp_path / "x.pth")
    with pytest.raises(RuntimeError, match="is a pickle"):
        jg.load(tmp_path / "x.pth")


def test_damaged_files(tmp_path):
    path = tmp_path / "x"
    jg.save({"a": jg.ones(4)}, path)
    data = path.read_bytes()
    for damaged in (b"", b"short", data[:-3], data[:20], struct.pack("<Q", 1 << 60) + data[8:]):
        path.write_bytes(damaged)
        with pytest.raises(RuntimeError, match="no safetensors file, or a damaged one"):
            jg.load(path)
    with pytest.raises(FileNotFoundError):
        jg.load(tmp_path / "missing")


def test_newer_format(tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "x"
    save_file({}, path, metadata={"jitgrad": json.dumps({"format": 99, "tree": None})})
    with pytest.raises(RuntimeError, match="format 99"):
        jg.load(path)


def test_arguments():
    assert round_trip({"a": jg.ones(1)}, map_location="cpu")["a"].item() == 1
    with pytest.raises(NotImplementedError, match="map_location"):
        round_trip({}, map_location=lambda storage, where: storage)
    with pytest.raises(NotImplementedError, match="mmap"):
        round_trip({}, mmap=True)


def test_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x"
    jg.save({"a": 1}, path)

    def fails(*args):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="disk full"):
        jg.save({"a": 2}, path)
    monkeypatch.undo()
    assert jg.load(path) == {"a": 1} and os.listdir(tmp_path) == ["x"]


def test_mode_of_the_file(tmp_path):
    path = tmp_path / "x"
    jg.save(1, path)
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask
    path.chmod(0o600)
    jg.save(2, path)
    assert path.stat().st_mode & 0o777 == 0o600


KILLED = """
import sys, jitgrad as jg
path = sys.argv[1]
jg.save({"n": 0, "x": jg.zeros(100_000)}, path)
print("ready", flush=True)
for n in range(1, 1_000_000):
    jg.save({"n": n, "x": jg.full((100_000,), float(n))}, path)
"""


def test_kill_during_save(tmp_path, root):
    path = tmp_path / "x"
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], cwd=root, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout.readline() == b"ready\n"
        for _ in range(20):
            state = jg.load(path)
            assert state["x"].numpy().min() == state["x"].numpy().max() == state["n"]
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    state = jg.load(path)
    assert state["x"][0].item() == state["n"]
