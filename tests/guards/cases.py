"""All cases, by what they change. Entry: `CASES`."""

from tests.guards import (
    cases_arguments,
    cases_behind,
    cases_functions,
    cases_libraries,
    cases_modules,
    cases_names,
    cases_objects,
    cases_training,
    cases_values,
)
from tests.guards.running import CASES

__all__ = [
    "CASES", "cases_arguments", "cases_behind", "cases_functions", "cases_libraries",
    "cases_modules", "cases_names", "cases_objects", "cases_training", "cases_values",
]  # fmt: skip
