"""One training run of the demo's classifier in one mode, timed step by step; entry `train`."""

import math
import statistics
import time
from dataclasses import dataclass

from tqdm import tqdm

import jitgrad
from jitgrad import nn
from jitgrad.utils.data import DataLoader, TensorDataset

SEED = 0
BATCH = 64
RATE = 1e-3


@dataclass(frozen=True)
class Run:
    """What one mode did: a loss and a time for every step, and how well the result predicts."""

    mode: str
    losses: list[float]
    seconds: list[float]  # each step, until its loss was on the host
    built: list[bool]  # the steps that planned, compiled or loaded something
    nodes: int  # recorded by one warm step
    kernels: int  # run by one warm step
    accuracy: float  # held out

    @property
    def step(self):
        """Seconds of a warm step."""
        return statistics.median(self._warm() or self.seconds)

    @property
    def compile(self):
        """Seconds that the steps which built something took beyond warm ones."""
        pairs = zip(self.seconds, self.built, strict=True)
        return sum(max(0.0, seconds - self.step) for seconds, built in pairs if built)

    def pays_after(self, other):
        """The steps after which this mode is ahead of `other`, building included; None: never."""
        gain = other.step - self.step
        if gain <= 0:
            return None
        return max(0, math.ceil((self.compile - other.compile) / gain))

    def _warm(self):
        pairs = zip(self.seconds, self.built, strict=True)
        return [seconds for seconds, built in pairs if not built]


def train(mode, data, hidden, epochs):
    """Train in `mode`: "eager", "lazy" or "compiled"."""
    with jitgrad.mode("eager" if mode == "eager" else "lazy"):
        jitgrad.manual_seed(SEED)
        model = _model(data.train_images.shape[1], hidden)
        step = _training_step(model)
        if mode == "compiled":
            step = jitgrad.compile(step)
        dataset = TensorDataset(data.train_images, data.train_labels)
        loader = DataLoader(dataset, batch_size=BATCH, shuffle=True, drop_last=True)
        return _measure(mode, step, loader, epochs, lambda: _accuracy(model, data))


def _model(inputs, hidden):
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, 10))


def _training_step(model):
    criterion = nn.CrossEntropyLoss()
    optimizer = jitgrad.optim.Adam(model.parameters(), lr=RATE)

    def step(images, labels):
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step


def _measure(mode, step, loader, epochs, accuracy):
    losses, seconds, built = [], [], []
    before = after = jitgrad.stats()
    with tqdm(total=epochs * len(loader), desc=f"{mode:<8}", unit="step") as bar:
        for _ in range(epochs):
            for images, labels in loader:
                before = jitgrad.stats()
                start = time.perf_counter()
                losses.append(step(images, labels).item())
                seconds.append(time.perf_counter() - start)
                after = jitgrad.stats()
                built.append(any(before[key] != after[key] for key in _BUILDING))
                bar.update()
            bar.set_postfix(loss=f"{losses[-1]:.4f}")
    nodes, kernels = (after[key] - before[key] for key in ("nodes", "kernels_run"))
    return Run(mode, losses, seconds, built, nodes, kernels, accuracy())


_BUILDING = ("schedules", "kernels_compiled", "kernels_loaded")


def _accuracy(model, data):
    with jitgrad.no_grad():
        right = (model(data.test_images).argmax(1) == data.test_labels).sum()
    return right.item() / len(data.test_labels)
