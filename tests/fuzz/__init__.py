"""Random programs through the public Tensor API, run every way there is; all must agree.

`python -m tests.fuzz --programs 10000`, or `make fuzz N=10000`. A program is text: `generate`
writes it, `reference` is its meaning in plain NumPy with tangents beside the values, `running` runs
it eagerly, lazily, unfused and compiled, `shrink` makes a failing one small. `faults` breaks the
framework on purpose to see that it is noticed.
"""
