"""Writes through views: an op reads the values its inputs had when it was recorded."""

import gc
import random

import numpy as np
import pytest

import jitgrad as jg

MODES = ["eager", "lazy"]


@pytest.fixture(params=MODES)
def mode(request):
    with jg.mode(request.param):
        yield request.param


def test_a_reader_keeps_what_it_read(mode):
    # tinygrad/tinygrad#17074
    x = jg.tensor([1, 2])
    reader = x + 10
    x[:1] = jg.tensor([9])
    assert reader.tolist() == [11, 12] and x.tolist() == [9, 2]


def test_a_slice_changes_in_place_once(mode):
    # tinygrad/tinygrad#9940
    t = jg.arange(6)
    t[:3] *= 10
    assert t.tolist() == [0, 10, 20, 3, 4, 5]


def test_slices_swap(mode):
    # tinygrad/tinygrad#15093
    t = jg.arange(8)
    left, right = t[:4].clone(), t[4:].clone()
    t[:4] = right
    t[4:] = left
    assert t.tolist() == [4, 5, 6, 7, 0, 1, 2, 3]


def test_views_see_writes_in_both_directions(mode):
    x = jg.arange(12.0).view(3, 4)
    row, column, flat = x[1], x[:, 2], x.view(-1)
    x.add_(1)
    row.mul_(10)
    flat[0] = -1
    column.zero_()
    assert row.tolist() == [50.0, 60.0, 0.0, 80.0]
    assert x.tolist() == [[-1, 2, 0, 4], [50, 60, 0, 80], [9, 10, 0, 12]]


def test_an_alias_by_full_slice_survives_a_change_of_data(mode):
    # pytorch/pytorch#94773
    x = jg.ones(2, 3)
    alias = x[:]
    x.data = jg.zeros(3, 4)
    x.add_(1)
    assert alias.tolist() == [[1.0] * 3] * 2 and x.tolist() == [[1.0] * 4] * 3


def test_a_write_through_a_view_with_gaps_leaves_the_gaps(mode):
    # pytorch/pytorch#198102
    x = jg.arange(1, 25).reshape(4, 6)
    view = x[:, ::5]
    view.add_(view)
    want = np.arange(1, 25).reshape(4, 6)
    want[:, ::5] *= 2
    assert x.tolist() == want.tolist()


def test_augmented_assignment_changes_the_alias(mode):
    # jax-ml/jax#226
    a = jg.ones(3)
    b = a
    b += 1
    assert a.tolist() == [2.0, 2.0, 2.0] and a is b


def test_overlapping_writes_are_refused(mode):
    with pytest.raises(RuntimeError, match="single memory location"):
        jg.ones(1).expand(3).add_(1)
    with pytest.raises(RuntimeError, match="single memory location"):
        jg.ones(2, 1).expand(2, 3)[0].mul_(2)


def test_a_list_of_steps_stays_linear(mode):
    out = jg.zeros(50)
    for i in range(50):
        out[i] = i * i
    assert out.tolist() == [float(i * i) for i in range(50)]


def test_shapes_and_dtypes_of_writes_are_checked(mode):
    x = jg.zeros(3)
    with pytest.raises(RuntimeError, match="broadcast shape"):
        x.add_(jg.ones(2, 3))
    with pytest.raises(RuntimeError, match="can't be cast"):
        jg.zeros(3, dtype=jg.int64).add_(1.5)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        x[:2] = jg.ones(3)
    assert x.tolist() == [0.0] * 3


def test_clones_are_apart(mode):
    x = jg.arange(3.0)
    y = x.clone()
    x.add_(1)
    y[0] = 9
    assert x.tolist() == [1.0, 2.0, 3.0] and y.tolist() == [9.0, 1.0, 2.0]


def test_no_reference_cycles():
    def step():
        w = jg.ones(4, requires_grad=True)
        x = w * 2
        x[1:].mul_(3)
        x.view(2, 2).sum().backward()
        return w.grad.sum().item()

    step()
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            step()
        assert not [o for o in _unreachable() if type(o).__module__.startswith("jitgrad")]
    finally:
        gc.enable()


def _unreachable():
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        return list(gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


# ---- random programs of views, writes and reads, beside NumPy


def _view(rng, t, a):
    """The same random view of a Tensor and of an array."""
    kind = rng.choice(["slice", "step", "transpose", "reshape", "index", "unsqueeze", "narrow"])
    axis = rng.randrange(a.ndim)
    n = a.shape[axis]
    key = [slice(None)] * a.ndim
    if kind == "slice":
        key[axis] = slice(rng.randrange(n), None)
    elif kind == "step":
        key[axis] = slice(None, None, 2)
    elif kind == "transpose":
        other = rng.randrange(a.ndim)
        return t.transpose(axis, other), a.swapaxes(axis, other)
    elif kind == "reshape":
        return (t.view(-1), a.reshape(-1)) if a.flags.c_contiguous else (t, a)
    elif kind == "index" and a.ndim > 1:
        key[axis] = rng.randrange(n)
    elif kind == "unsqueeze":
        return t.unsqueeze(axis), np.expand_dims(a, axis)
    else:
        start = rng.randrange(n)
        return t.narrow(axis, start, n - start), a[_along(a, axis, slice(start, n))]
    return t[tuple(key)], a[tuple(key)]


def test_a_number_at_a_mask_is_written_without_looking_at_the_mask(mode):
    masks = {  # index of a (3, 4) tensor -> the same for NumPy
        "all": lambda x, row: x > 1,
        "rows": lambda x, row: row,
        "rows, cut": lambda x, row: (row, slice(1, 3)),
        "columns": lambda x, row: (slice(None), x[0] > 0),
        "columns, new axis": lambda x, row: (slice(None), None, x[0] > 0),
        "none": lambda x, row: x > 99,
    }
    for name, index in masks.items():
        a = np.arange(12, dtype=np.float32).reshape(3, 4) - 5
        row = np.array([True, False, True])
        x, mask = jg.tensor(a), jg.tensor(row)
        with jg.debug.sync() as forced:
            x[index(x, mask)] = 7
            x[index(x, mask)] = jg.tensor([[2.5]])
        a[index(a, row)] = 7
        a[index(a, row)] = 2.5
        assert not forced.events, name
        assert x.tolist() == a.tolist(), name


def test_the_gradient_of_a_number_at_a_mask(mode):
    x = jg.tensor([1.0, -2.0, 3.0], requires_grad=True)
    y = x * 2
    y[x > 0] = x[1]
    y.backward(jg.tensor([1.0, 10.0, 100.0]))
    assert y.tolist() == [-2, -4, -2]
    assert x.grad.tolist() == [0, 20 + 1 + 100, 0]
    x = jg.zeros(3)
    with pytest.raises(IndexError, match=r"mask \[2\].*tensor \[3\]"):
        x[jg.ones(2) > 0] = 1


def test_a_compiled_function_writes_a_number_at_a_mask():
    def f(x):
        x = x * 2
        x[x < 0] = 0
        return x

    fast = jg.compile(f)
    for _ in range(4):
        x = jg.randn(5)
        assert fast(x).tolist() == f(x).tolist()


def _along(a, axis, item):
    return tuple(item if i == axis else slice(None) for i in range(a.ndim))


def _write(rng, t, a):
    kind = rng.choice(["add", "mul", "set", "copy", "self", "mask"])
    k = rng.randrange(1, 5)
    if kind == "add":
        t.add_(k)
        a += k
    elif kind == "mul":
        t.mul_(-1)
        a *= -1
    elif kind == "set":
        i = rng.randrange(len(a))
        t[i] = k
        a[i] = k
    elif kind == "copy":
        t.copy_(t.flip(0))
        a[...] = a[::-1].copy()
    elif kind == "self":
        t.sub_(t * 2)
        a -= a * 2
    else:
        t[t > k] = 0
        a[a > k] = 0


def program(seed):
    """One random program; every value it reads must be NumPy's."""
    rng = random.Random(seed)
    a = np.arange(24).reshape(2, 3, 4) - 7
    pairs = [(jg.tensor(a), a.copy())]
    readers = []
    for _ in range(rng.randrange(4, 12)):
        t, a = rng.choice(pairs)
        action = rng.choice(["view", "view", "write", "write", "read", "look", "clone"])
        if action == "view" and a.size:
            pairs.append(_view(rng, t, a))
        elif action == "write" and a.size and a.ndim:
            _write(rng, t, a)
        elif action == "read":
            readers.append((t + 1, a + 1))
        elif action == "look":
            assert t.tolist() == a.tolist(), seed
        elif action == "clone":
            pairs.append((t.clone(), a.copy()))
    for t, a in [*pairs, *readers]:
        assert t.tolist() == a.tolist(), f"program {seed} in mode {jg.get_mode()}"


def test_random_programs(mode):
    for seed in range(150):
        program(seed)
