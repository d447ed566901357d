"""`python -m tests.guards`: every change, whether the function was recorded again, and why."""

from tests.guards.cases import CASES
from tests.guards.running import run


def main():
    """Print the table; exit 1 if a compiled result differs from the lazy one."""
    wrong = []
    print(f"{'change between two calls':34} {'equal':5}  recorded again")
    for name in CASES:
        found = run(name)
        if not found.equal:
            wrong.append(name)
        again = "; ".join(found.reasons) or "yes" if found.recorded else "-"
        print(f"{name:34} {'yes' if found.equal else 'NO':5}  {again}")
    print(f"{len(CASES)} changes; compiled and lazy agree bit for bit in {len(CASES) - len(wrong)}")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
