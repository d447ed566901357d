"""The benchmark: jitgrad beside its peers, and `compare` for a function of your own.

Entry: `compare`; the command `python -m jitgrad bench` is `jitgrad.bench.main.run`. A case is a
workload at one size, a subject is who runs it (a mode of jitgrad, a peer, a ceiling). Each subject
is a process of its own (`serve`), and all of them take turns (`race`), so that they share whatever
else the machine does. May import: everything of jitgrad but the command line.
"""

from jitgrad.bench.comparing import Comparison, Timing, compare

__all__ = ["Comparison", "Timing", "compare"]
