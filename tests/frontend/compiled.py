"""A scenario run lazily and compiled, compared bit for bit. Entry: `both`."""

import numpy as np

import jitgrad as jg


def bits(value):
    """A nested result as comparable values."""
    if isinstance(value, jg.Tensor):
        array = value.numpy(force=True)
        return ("tensor", array.dtype.str, array.shape, array.tobytes(), value.requires_grad)
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [bits(v) for v in value]
    if isinstance(value, dict):
        return "dict", {k: bits(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    return value


class Run:
    """What one run of a scenario showed after each call."""

    def __init__(self, scenario, wrap):
        jg.manual_seed(11)
        self.seen = []
        self.wrap = wrap
        self.scenario = scenario
        self.function = None
        scenario(self)

    def compile(self, fn):
        """The function as this run calls it."""
        self.function = self.wrap(fn)
        return self.function

    def see(self, *values):
        """Note values now."""
        self.seen.append([bits(v) for v in values])

    @property
    def replays(self):
        """Whether the last program runs without Python."""
        known = list(self.function._known.values())
        return any(e.program is not None for k in known for e in k.entries)

    @property
    def lazy(self):
        """Why the function runs lazily."""
        return [k.lazy for k in self.function._known.values() if k.lazy]


def both(scenario):
    """Run `scenario(run)` lazily and compiled; the compiled run, if they agree."""
    plain = Run(scenario, lambda fn: fn)
    compiled = Run(scenario, jg.compile)
    assert len(plain.seen) == len(compiled.seen)
    for i, (a, b) in enumerate(zip(plain.seen, compiled.seen, strict=True)):
        assert a == b, f"call {i} differs"
    return compiled


def network(sizes=(6, 5, 3), dropout=0.0):
    """A small MLP with fixed weights."""
    layers = []
    values = np.random.default_rng(0)
    for a, b in zip(sizes, sizes[1:], strict=False):
        layers += [jg.nn.Linear(a, b), jg.nn.Tanh()]
        if dropout:
            layers.append(jg.nn.Dropout(dropout))
    net = jg.nn.Sequential(*layers)
    with jg.no_grad():
        for p in net.parameters():
            p.copy_(jg.tensor(values.standard_normal(tuple(p.shape)).astype(np.float32) * 0.5))
    return net


def batches(count, rows=4, columns=6, classes=3):
    """Fixed (x, y) pairs."""
    values = np.random.default_rng(1)
    for _ in range(count):
        x = jg.tensor(values.standard_normal((rows, columns)).astype(np.float32))
        yield x, jg.tensor(values.integers(0, classes, rows))


def state(net, optimizer=None):
    """All that training changes."""
    out = [*net.parameters(), *[p.grad for p in net.parameters()], *net.buffers()]
    if optimizer is not None:
        for own in optimizer.state.values():
            out += [v for _, v in sorted(own.items())]
    return out


def arrays(count, shape=(3, 4), seed=5):
    """Fixed random arrays."""
    values = np.random.default_rng(seed)
    return [values.standard_normal(shape).astype(np.float32) for _ in range(count)]
