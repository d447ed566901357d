"""Indices of classes and rows, which unlike those of `tensor[index]` may not be negative."""

from jitgrad.frontend import checked_index


def checked(index, size, what):
    """`index` itself; an IndexError when it is computed and lies outside [0, size)."""
    return checked_index(index, size, what, wrap=False)
