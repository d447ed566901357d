"""Loops that never read stay flat: time, memory, live nodes. `python -m tests.loops` runs the long
ones."""
