"""Stable sort of one contiguous run with the positions of its elements: short blocks, then merges.

Entry functions: `sort_<s>(keys, index, spare_keys, spare_index, n, descending)`: sorts keys in
place and moves index (int64, any payload; `fill_index` writes 0..n) along; the spare runs hold n
elements too. NaN counts as the largest number; equal keys keep their order in both directions. May
import: NumPy, `intrinsics`.
"""

import numpy as np

from .intrinsics import at

_BLOCK = 16


def fill_index(index, n):
    """index[i] = i."""
    for i in range(n):
        index[i] = np.int64(i)


def _before(a, b, descending):
    """Whether b must stand before a, where a came first."""
    if descending:
        return b > a or (b != b and a == a)
    return b < a or (a != a and b == b)


def _insertion(keys, index, n, descending):
    for i in range(1, n):
        key, payload = keys[i], index[i]
        j = i
        while j > 0 and _before(keys[j - 1], key, descending):
            keys[j], index[j] = keys[j - 1], index[j - 1]
            j -= 1
        keys[j], index[j] = key, payload


def _merge(keys, index, middle, n, out_keys, out_index, descending):
    """Merge the sorted runs [0, middle) and [middle, n)."""
    left, right = 0, middle
    for k in range(n):
        take_right = left >= middle
        if not take_right and right < n:
            take_right = _before(keys[left], keys[right], descending)
        source = right if take_right else left
        out_keys[k], out_index[k] = keys[source], index[source]
        right += 1 if take_right else 0
        left += 0 if take_right else 1


def _sort(keys, index, spare_keys, spare_index, n, descending):
    for start in range(0, n, _BLOCK):
        _insertion(at(keys, start), at(index, start), min(_BLOCK, n - start), descending)
    width = _BLOCK
    swapped = False
    while width < n:
        for start in range(0, n, 2 * width):
            length = min(2 * width, n - start)
            middle = min(width, length)
            if swapped:
                _merge(
                    at(spare_keys, start), at(spare_index, start), middle, length,
                    at(keys, start), at(index, start), descending,
                )  # fmt: skip
            else:
                _merge(
                    at(keys, start), at(index, start), middle, length,
                    at(spare_keys, start), at(spare_index, start), descending,
                )  # fmt: skip
        swapped = not swapped
        width *= 2
    if swapped:
        for i in range(n):
            keys[i], index[i] = spare_keys[i], spare_index[i]


sort_f32 = sort_f64 = sort_i8 = sort_i16 = sort_i32 = sort_i64 = sort_u8 = sort_b1 = _sort
