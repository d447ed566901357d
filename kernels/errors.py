"""How a kernel reports an error: four int64 numbers in the thread's error slot.

Entry function: `fail(error, check, value)`: leave with code 1; the runtime names op and line.
May import: nothing.
"""

import numpy as np

_OUT_OF_RANGE = np.int64(1)


def fail(error, check, value):
    """Note which check failed on which value; the result is the kernel's return code."""
    error[0] = _OUT_OF_RANGE
    error[1] = np.int64(check)
    error[3] = value
    return np.int32(1)
