"""`python -m tests.errors`: every wrong program with the message a user reads."""

import textwrap

from tests.errors.caught import caught
from tests.errors.programs import PROGRAMS


def main():
    """Print the table."""
    for number, name in enumerate(PROGRAMS, 1):
        found = caught(name)
        print(f"{number:2}. {name}  ({found.kind}, line {found.line}, {found.lines} lines)")
        print(textwrap.indent(found.message, "      "))


if __name__ == "__main__":
    main()
