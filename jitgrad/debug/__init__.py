"""Looking inside: what was recorded, what it became, and what it cost.

Entry: `explain`, `eject`. May import: everything below it.
"""

from jitgrad.debug.eject import eject
from jitgrad.debug.explain import Explanation, explain

__all__ = ["Explanation", "eject", "explain"]
