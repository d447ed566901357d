"""View algebra: what the tags promise holds for the numbers, on random chains of views."""

import random

import numpy as np
import pytest

from jitgrad.compiler.layout import (
    contiguous_strides,
    contiguous_tags,
    move_key,
    numeric_tags,
    replay,
    tags_through,
)


def random_step(rng, shape):
    """A view step over `shape`: (name, attrs, new shape)."""
    n = len(shape)
    kind = rng.choice(["permute", "expand", "reshape", "slice"])
    if kind == "permute":
        order = tuple(rng.sample(range(n), n))
        return kind, (order,), tuple(shape[i] for i in order)
    if kind == "expand":
        new = tuple(rng.choice([1, 2, 3]) if m == 1 else m for m in shape)
        return kind, (new,), new
    if kind == "reshape":
        total = int(np.prod(shape))
        forms = [(total,), (1, total), (total, 1, 1), (*shape, 1), tuple(m for m in shape if m > 1)]
        forms += [(d, total // d) for d in range(2, total) if total % d == 0]
        new = rng.choice(forms)
        return kind, (new,), new
    starts, steps, sizes = [], [], []
    for m in shape:
        step = rng.choice([1, 1, 1, 2, -1])
        start = rng.randrange(m) if rng.random() < 0.5 else (m - 1 if step < 0 else 0)
        room = (start // -step if step < 0 else (m - 1 - start) // step) + 1
        starts.append(start)
        steps.append(step)
        sizes.append(rng.choice([room, room, rng.randrange(1, room + 1)]))
    return kind, (tuple(starts), tuple(steps), tuple(sizes)), tuple(sizes)


def numpy_step(array, name, attrs):
    """The same step by NumPy, as a view; None if NumPy would have to copy."""
    if name == "permute":
        return array.transpose(attrs[0])
    if name == "expand":
        return np.broadcast_to(array, attrs[0])
    if name == "reshape":
        out = array.view()
        try:
            out.shape = attrs[0]
        except AttributeError:
            return None
        return out
    at = tuple(
        slice(a, None if a + k * m < 0 else a + k * m, k) for a, k, m in zip(*attrs, strict=True)
    )
    return array[at]


def holds(tags, shape, strides):
    """Whether the numbers keep what the tags promise."""
    chain = None
    for tag, n, s in zip(reversed(tags), reversed(shape), reversed(strides), strict=True):
        if tag == "1":
            assert n == 1
            continue
        fine = {"0": s == 0, "u": s == 1, "c": s == chain, "s": s >= 1, "n": True}[tag]
        if not fine:
            return False
        chain = n * s
    return True


@pytest.mark.parametrize("seed", range(400))
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tags_hold_for_the_numbers(seed):
    rng = random.Random(seed)
    shape = tuple(rng.choice([1, 2, 3, 4, 6]) for _ in range(rng.randrange(1, 4)))
    tags, view = contiguous_tags(shape), (shape, contiguous_strides(shape), 0)
    array = np.arange(np.prod(shape)).reshape(shape)
    memory = array.reshape(-1)
    for _ in range(6):
        name, attrs, new = random_step(rng, view[0])
        after = tags_through(name, move_key(name, attrs, view[0], new), tags)
        seen = numpy_step(array, name, attrs)
        if after is None:
            continue  # not certain to be a view: the compiler copies
        assert seen is not None, "said to be a view where NumPy must copy"
        tags, view, array = after, replay(view, [(name, attrs)]), seen
        assert view[0] == new == seen.shape
        assert holds(tags, view[0], view[1]), (name, attrs, tags, view)
        places = sum(
            np.arange(n).reshape([-1 if a == i else 1 for a in range(len(new))]) * s
            for i, (n, s) in enumerate(zip(new, view[1], strict=True))
        )
        got = memory[np.broadcast_to(places + view[2], new)]
        np.testing.assert_array_equal(got, array)


@pytest.mark.parametrize("seed", range(50))
def test_memory_from_outside_is_tagged_by_its_strides(seed):
    rng = random.Random(seed)
    shape = tuple(rng.choice([1, 2, 3, 5]) for _ in range(3))
    strides = tuple(rng.choice([0, 1, 2, 15, 5]) for _ in shape)
    assert holds(numeric_tags(shape, strides), shape, strides)


def test_a_row_slice_keeps_its_columns_contiguous():
    key = move_key("slice", ((1, 0), (1, 1), (2, 5)), (4, 5), (2, 5))
    assert tags_through("slice", key, ("c", "u")) == ("c", "u")
    key = move_key("slice", ((0, 1), (1, 1), (4, 3)), (4, 5), (4, 3))
    assert tags_through("slice", key, ("c", "u")) == ("s", "u")


def test_a_reshape_of_a_transposed_matrix_is_no_view():
    key = move_key("reshape", ((6,),), (3, 2), (6,))
    assert tags_through("reshape", key, ("u", "s")) is None


def test_a_view_without_elements_stays_inside_its_memory():
    shape, strides, offset = replay(((4, 1), (1, 1), 0), [("slice", ((4, 0), (1, 1), (0, 1)))])
    assert (shape, offset) == ((0, 1), 0)
    key = move_key("reshape", ((0, 2),), (0, 1), (0, 2))
    assert tags_through("reshape", key, ("u", "1")) is not None
