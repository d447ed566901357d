"""How long until the first result: the MLP's first training step, and the import.

Entry: `first_calls`, `imports`. Each time is a fresh process, and its clock starts after
`import jitgrad`: model, data, imports and compiling count. Imports `client`.
"""

import statistics
import tempfile

from jitgrad.bench.client import Failed, child

BARS = {"cold": 1.5, "cached": 0.2, "import": 0.35}  # seconds
MODES = ("lazy", "compiled")

_STEP = """
import json, time
import jitgrad as torch

start = time.perf_counter()
import numpy as np
from jitgrad import nn

rng = np.random.default_rng(0)
x = torch.tensor(rng.random((64, 784), np.float32))
labels = torch.tensor(rng.integers(0, 10, 64))
model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()


def step(x, labels):
    optimizer.zero_grad()
    loss = criterion(model(x), labels)
    loss.backward()
    optimizer.step()
    return loss


if MODE == "compiled":
    step = torch.compile(step)
loss = step(x, labels).item()
seconds = time.perf_counter() - start
stats = torch.stats()
found = {"seconds": seconds, "loss": loss}
print(json.dumps(found | {key: stats[key] for key in ("kernels_compiled", "kernels_loaded")}))
"""
_IMPORT = """
import json, sys, time
start = time.perf_counter()
import jitgrad
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "numba": "numba" in sys.modules}))
"""


def first_calls(runs, modes=MODES):
    """By mode, then "cold" (an empty cache) and "cached" (a second process): seconds, kernels.

    Medians of `runs` pairs, the modes taking turns. A mode that fails has {"failed": why}.
    """
    found = {mode: [] for mode in modes}
    failed = {}
    for _ in range(runs):
        for mode in modes:
            if mode in failed:
                continue
            with tempfile.TemporaryDirectory() as folder:
                try:
                    code = f"MODE = {mode!r}\n{_STEP}"
                    pair = [child(code, JITGRAD_CACHE_DIR=folder) for _ in range(2)]
                except Failed as why:
                    failed[mode] = {"failed": str(why)}
                else:
                    found[mode].append(pair)
    return {mode: failed.get(mode) or _medians(found[mode]) for mode in modes}


def _medians(pairs):
    result = {}
    for name, answers in zip(("cold", "cached"), zip(*pairs, strict=True), strict=True):
        times = [answer["seconds"] for answer in answers]
        result[name] = {**answers[-1], "seconds": statistics.median(times), "all": times}
    return result


def imports(runs):
    """Seconds of `import jitgrad`, the median of `runs`, and whether it loaded Numba."""
    answers = [child(_IMPORT) for _ in range(runs)]
    times = [answer["seconds"] for answer in answers]
    return {
        "seconds": statistics.median(times),
        "all": times,
        "numba": any(answer["numba"] for answer in answers),
    }
