"""What a user sees of a wrong program. Entry: `caught(name)`."""

import inspect
import traceback
from dataclasses import dataclass

from tests.errors import programs


@dataclass
class Caught:
    """The exception of one program.

    Attributes:
        error: the exception; `kind` its class, `message` its text.
        line, expected: the line of the program that is named, and the one at fault.
        lines: of the message and of the traceback's part in the user's code.
    """

    error: Exception
    kind: str
    message: str
    line: int
    expected: int
    lines: int


def caught(name):
    """Run a wrong program: what it raised, and which of its lines was named."""
    fn = programs.PROGRAMS[name][0]
    text, first = inspect.getsourcelines(fn)
    expected = first + next(i for i, line in enumerate(text) if "# wrong" in line)
    try:
        fn()
    except Exception as error:
        message = str(error)
        frames = traceback.extract_tb(error.__traceback__)
        line = next(f.lineno for f in frames if f.name == fn.__name__)
        marker = f"programs.py:{expected}"
        if marker in message:  # met later: the message names where it was recorded
            line = expected
        mine = [f for f in frames if f.filename == programs.__file__]
        count = len(message.splitlines()) + 2 * len(mine)
        error.__traceback__ = error.__context__ = None  # else its frames keep pending tensors
        return Caught(error, type(error).__name__, message, line, expected, count)
    raise AssertionError(f"{name}: nothing was raised")
