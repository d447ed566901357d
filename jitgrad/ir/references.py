"""What `sys.getrefcount` counts beside those who keep an object. Entry: `ASKING`. Imports nothing.

Memory that nobody else refers to is used again, so who asks must know what asking itself adds.
"""

from __future__ import annotations

from sys import getrefcount


def _asking() -> int:
    value = object()
    return getrefcount(value)


# For an object in a local variable: the variable and, before Python 3.14, the call's argument,
# which from then on is borrowed from the variable.
ASKING = _asking()
