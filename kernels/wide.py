"""A thread's run of neighbouring elements: one wide access where memory allows it.

`fetch_<s>(private, p, i, left)` reads elements i and on into the thread's own array, as many as it
has but at most `left`; `spill_<s>(p, i, private, left)` writes them back. What one access can do
depends on the address, the elements never do. May import: `device`.
"""

from .device import aligned, count_of, load_vector, store_vector


def _fetch(private, p, i, left):
    if left >= count_of(private) and aligned(p, i, private):
        load_vector(private, p, i)
    else:
        for k in range(count_of(private)):
            if k < left:
                private[k] = p[i + k]


def _spill(p, i, private, left):
    if left >= count_of(private) and aligned(p, i, private):
        store_vector(p, i, private)
    else:
        for k in range(count_of(private)):
            if k < left:
                p[i + k] = private[k]


fetch_f32 = fetch_f64 = fetch_i8 = fetch_i16 = fetch_i32 = fetch_i64 = fetch_u8 = fetch_b1 = _fetch
spill_f32 = spill_f64 = spill_i8 = spill_i16 = spill_i32 = spill_i64 = spill_u8 = spill_b1 = _spill
