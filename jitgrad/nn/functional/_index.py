"""Indices of classes and rows, which unlike those of `tensor[index]` may not be negative."""

import jitgrad as jg
from jitgrad.frontend import checked_index


def checked(index, size, what):
    """`index` itself; an IndexError when it is computed and lies outside [0, size)."""
    return checked_index(jg.where(index < 0, size, index), size, what)
