"""Looking inside: what was recorded, what it became, and what it cost.

Entry: `explain`. May import: everything below it.
"""

from jitgrad.debug.explain import Explanation, explain

__all__ = ["Explanation", "explain"]
