"""`python -m tests.loops`: 10 000 training steps with dropout and no read, 5 000 iterations of
`correct += (model(x).argmax(1) == y).sum()`, in eager and lazy mode: flat or not."""

import argparse
import sys

from tests.loops.loops import LOOPS
from tests.loops.turns import raced

LONG = {"training": 10_000, "counting": 5_000}
SLOWER, GROWN = 1.05, 1.02


def verdict(pace, course):
    """What is not flat, in words."""
    nodes = course.nodes[1] / course.nodes[0]
    found = {
        f"later steps take {pace.slower:.3f} times as long": pace.slower > SLOWER,
        f"memory grew {course.grown:.3f} times": course.grown > GROWN,
        f"live nodes grew {nodes:.3f} times": nodes > GROWN,
        "something was planned or built late": any(course.news),
    }
    return [text for text, bad in found.items() if bad]


def main():
    """Command line: how many loops are not flat."""
    parser = argparse.ArgumentParser(prog="python -m tests.loops", description=__doc__)
    parser.add_argument("--loop", choices=LOOPS, action="append", help="default: the two above")
    parser.add_argument("--mode", choices=("eager", "lazy"), action="append", help="default: both")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--threads", type=int, default=1, help="1: waiting is not counted as work")
    options = parser.parse_args()
    failed = 0
    for name in options.loop or LONG:
        for mode in options.mode or ("lazy", "eager"):
            steps = options.steps or LONG.get(name, 5_000)
            pace, course = raced(LOOPS[name], mode, steps, options.threads)
            wrong = verdict(pace, course)
            failed += bool(wrong)
            print(f"{name}, {mode}, {steps} steps: {pace}; {course}")
            print("  " + ("flat" if not wrong else "NOT FLAT: " + "; ".join(wrong)), flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
