"""`python -m tests.fuzz --programs 10000`: the table of features, and every program that differs.

Most programs run interpreted: what is meant, without a compiler. A sample runs as machine code too,
there with long inputs among them and under `jitgrad.compile`. Processes share the work.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

BATCH = 50


def batch(first, last, code, longs):
    """Programs `first` .. `last`: (features counted, texts about those that differ)."""
    from tests.fuzz.generate import generate
    from tests.fuzz.running import disagreement

    counts, failures = Counter(), []
    for seed in range(first, last):
        long = longs and seed % longs == 0
        program = generate(seed, long)
        counts.update(program.features)
        counts["long" if long else "short"] += 1
        problem = disagreement(program, code)
        if problem is not None:
            failures.append((seed, long, code, problem))
    return counts, failures


def report(seed, long, code, problem):
    """A program that differs, made small, as a file to run."""
    from tests.fuzz.generate import generate
    from tests.fuzz.running import disagreement
    from tests.fuzz.shrink import shrink

    small = shrink(generate(seed, long), lambda p: disagreement(p, code))
    lines = [
        f"# program {seed}{' (long)' if long else ''}: {problem}",
        f"# shrunk: {disagreement(small, code)}",
    ]
    return "\n".join(lines) + "\n" + small.script()


def table(counts, total):
    """Share of programs with each feature."""
    rows = [(n, k) for k, n in counts.items() if k not in ("short", "long")]
    width = max(len(k) for _, k in rows)
    return "\n".join(f"  {k:<{width}}  {n:6d}  {n / total:6.1%}" for n, k in sorted(rows)[::-1])


def sweep(pool, first, total, code, longs):
    """Run `total` programs on the pool; (features, failures)."""
    starts = range(first, first + total, BATCH)
    jobs = [pool.submit(batch, s, min(s + BATCH, first + total), code, longs) for s in starts]
    counts, failures = Counter(), []
    for done, job in enumerate(jobs):
        some, bad = job.result()
        counts += some
        failures += bad
        for seed, _, _, problem in bad:
            print(f"\rprogram {seed}: {problem}", file=sys.stderr)
        print(f"\r{min(total, (done + 1) * BATCH)} / {total}", end="", file=sys.stderr, flush=True)
    print("\r", end="", file=sys.stderr)
    return counts, failures


def main():
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="number of the first program")
    parser.add_argument("--compiled", type=int, help="size of the compiled sample (default: 1 %%)")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--show", type=int, metavar="SEED", help="print one program and its answer")
    options = parser.parse_args()
    if options.show is not None:
        return show(options.show)
    sample = options.programs // 100 if options.compiled is None else options.compiled
    # thousands of programs do build more kernels than one program should
    warnings.filterwarnings("ignore", "jitgrad has built", RuntimeWarning)
    failures = []
    with ProcessPoolExecutor(options.processes) as pool:
        for code, total, longs in ((False, options.programs, 100), (True, sample, 4)):
            if not total:
                continue
            start = time.perf_counter()
            counts, bad = sweep(pool, options.seed, total, code, longs)
            failures += bad
            kind = "compiled" if code else "interpreted"
            seconds = time.perf_counter() - start
            print(f"{total} programs {kind} in {seconds:.0f} s, {len(bad)} differing")
            print(f"  ({counts['long']} with reductions of several chunks)")
            print(table(counts, total))
    for failure in failures[:10]:
        print("\n" + report(*failure))
    print(f"\n{len(failures)} differing")
    return 1 if failures else 0


def show(seed):
    """Print one program and whether its ways agree."""
    from tests.fuzz.generate import generate
    from tests.fuzz.running import disagreement

    program = generate(seed)
    print(program.script())
    print("#", disagreement(program) or "agrees")
    return 0


if __name__ == "__main__":
    sys.exit(main())
