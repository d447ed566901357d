"""Looking inside: what was recorded, what it became, and what it cost.

Entry: `explain`, `eject`. May import: everything below it.
"""

from jitgrad.debug.ejecting import eject
from jitgrad.debug.explaining import Explanation, explain

__all__ = ["Explanation", "eject", "explain"]
