"""Looking inside: what was recorded, what it became, and what it cost.

Entry: `explain`, `profile`, `sync`, `nan`, `compare`, `override`, `eject`. May import: everything
below it, and `bench`.
"""

from jitgrad.debug.comparing import Comparison, Divergence, compare
from jitgrad.debug.ejecting import eject
from jitgrad.debug.explaining import Explanation, explain
from jitgrad.debug.nonfinite import nan
from jitgrad.debug.overriding import Override, override
from jitgrad.debug.profiling import Profile, profile
from jitgrad.debug.syncing import Sync, Syncs, sync

__all__ = [
    "Comparison",
    "Divergence",
    "Explanation",
    "Override",
    "Profile",
    "Sync",
    "Syncs",
    "compare",
    "eject",
    "explain",
    "nan",
    "override",
    "profile",
    "sync",
]
