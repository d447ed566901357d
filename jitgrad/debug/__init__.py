"""Looking inside: what was recorded, what it became, and what it cost.

Entry: `explain`, `profile`, `sync`, `override`, `eject`. May import: everything below it.
"""

from jitgrad.debug.ejecting import eject
from jitgrad.debug.explaining import Explanation, explain
from jitgrad.debug.overriding import Override, override
from jitgrad.debug.profiling import Profile, profile
from jitgrad.debug.syncing import Sync, Syncs, sync

__all__ = [
    "Explanation",
    "Override",
    "Profile",
    "Sync",
    "Syncs",
    "eject",
    "explain",
    "override",
    "profile",
    "sync",
]
