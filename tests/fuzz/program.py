"""A random program as data: inputs, lines of text, what it returns. Entry: `Program`.

Its text is one function of the inputs, the same for jitgrad and for the reference; `script()` is a
file that runs by itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

NAME = re.compile(r"\b[vx]\d+\b")


@dataclass(frozen=True)
class Input:
    """A tensor made before the program runs; its values follow from a seed."""

    name: str
    seed: int
    shape: tuple
    dtype: str
    grad: bool = False
    external: bool = False  # memory that NumPy holds
    special: bool = False  # with inf, nan and -0 among the values

    def array(self):
        """The values."""
        return data(self.seed, self.shape, self.dtype, self.special)


def data(seed, shape, dtype, special=False):
    """Random numbers of a dtype: floats around 0, small integers, a coin for bool."""
    rng = np.random.default_rng(seed)
    if dtype.startswith("float"):
        out = np.array(rng.standard_normal(shape), dtype)
        if special and out.size:
            some = rng.integers(0, out.size, 3)
            # 1e36: a few of 1e38 add up to inf in float32, but not in the reference's float64
            out.reshape(-1)[some] = rng.choice([np.inf, -np.inf, np.nan, -0.0, 1e36, 1e-40], 3)
        return out
    if dtype == "bool":
        return np.array(rng.random(shape) < 0.5)
    return np.array(rng.integers(0 if dtype == "uint8" else -5, 7, shape), dtype)


@dataclass(frozen=True)
class Line:
    """One statement, perhaps of several lines of text."""

    text: str
    features: frozenset = frozenset()

    def names(self):
        """Variables that stand in it."""
        return set(NAME.findall(self.text))

    def makes(self):
        """Variables that it assigns for the first time or anew."""
        found = re.findall(r"^\s*((?:v\d+(?:, )?)+) = ", self.text, re.MULTILINE)
        return set(NAME.findall(" ".join(found)))


@dataclass(frozen=True)
class Program:
    """Inputs, lines, outputs; `seed` is for the random draws."""

    seed: int
    inputs: tuple
    lines: tuple
    outputs: tuple
    features: frozenset = frozenset()

    def text(self):
        """The function `program(seen, inputs...)`."""
        names = ", ".join(i.name for i in self.inputs)
        body = [part for line in self.lines for part in line.text.split("\n")]
        body.append(f"return [{', '.join(f'{o}.detach()' for o in self.outputs)}]")
        return f"def program(seen, {names}):\n" + "".join(f"    {b}\n" for b in body)

    def script(self):
        """A file that prints what the program returns, what it read and its gradients."""
        lines = [
            "import numpy as np",
            "",
            "import jitgrad as torch",
            "from jitgrad.nn import functional as F",
            "",
            "",
            self.text(),
            "",
            "seen = []",
        ]
        for i in self.inputs:
            values = np.array2string(
                i.array(), separator=", ", threshold=10**6, max_line_width=90, floatmode="unique"
            )
            if i.array().size > 64:
                values = f"np.resize({i.array().reshape(-1)[:16].tolist()}, {i.shape})"
            make = "torch.from_numpy" if i.external else "torch.tensor"
            end = ".requires_grad_()" if i.grad else ""
            array = f"np.array({values}, np.{i.dtype})".replace("nan", "np.nan")
            array = re.sub(r"\binf\b", "np.inf", array)
            lines.append(f"{i.name} = {make}({array}.reshape({i.shape})){end}")
        names = ", ".join(i.name for i in self.inputs)
        lines.append(f"torch.manual_seed({self.seed})")
        lines.append(f"print(program(seen, {names}), seen)")
        lines += [f"print({i.name!r}, {i.name}.grad)" for i in self.inputs if i.grad]
        return "\n".join(lines) + "\n"

    def without(self, drop):
        """The program without the lines numbered in `drop`, and without what depends on them."""
        gone = set()
        for k in drop:
            gone |= self.lines[k].makes()
        have = {i.name for i in self.inputs}
        kept = []
        for k, line in enumerate(self.lines):
            needs = line.names() - line.makes()
            if k in drop or not needs <= have:
                continue
            kept.append(line)
            have |= line.makes()
        outputs = tuple(o for o in self.outputs if o in have)
        used = set(outputs).union(*[line.names() for line in kept])
        inputs = tuple(i for i in self.inputs if i.name in used)
        return replace(self, inputs=inputs, lines=tuple(kept), outputs=outputs)
