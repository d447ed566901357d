"""Samplers: the order in which a loader takes the samples.

Random ones draw from the generator of `manual_seed`, or from the one they are given, once per pass.
"""

import itertools

import numpy as np

import jitgrad as jg


class Sampler:
    """Yields indices; subclasses define `__iter__` and, usually, `__len__`."""

    def __class_getitem__(cls, item):
        return cls

    def __iter__(self):
        raise NotImplementedError("Subclasses of Sampler should implement __iter__.")


def _positive(name, value):
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ValueError(f"{name} should be a positive integer value, but got {name}={value}")


def _boolean(name, value):
    if not isinstance(value, bool):
        raise TypeError(f"{name} should be a boolean value, but got {name}={value}")


class SequentialSampler(Sampler):
    """In order.

    >>> list(SequentialSampler("abc"))
    [0, 1, 2]
    """

    def __init__(self, data_source):
        self.data_source = data_source

    def __iter__(self):
        return iter(range(len(self.data_source)))

    def __len__(self):
        return len(self.data_source)


class RandomSampler(Sampler):
    """In a random order, or drawn with replacement.

    >>> sorted(RandomSampler("abc"))
    [0, 1, 2]
    """

    def __init__(self, data_source, replacement=False, num_samples=None, generator=None):
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        _boolean("replacement", replacement)
        _positive("num_samples", self.num_samples)

    @property
    def num_samples(self):
        """How many indices one pass yields: all by default."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self):
        size, wanted = len(self.data_source), self.num_samples
        if self.replacement:
            drawn = jg.randint(0, size, (wanted,), dtype=jg.int64, generator=self.generator)
            yield from drawn.tolist()
            return
        while wanted > 0:
            yield from jg.randperm(size, generator=self.generator).tolist()[:wanted]
            wanted -= size

    def __len__(self):
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """The given indices in a random order.

    >>> sorted(SubsetRandomSampler([4, 2]))
    [2, 4]
    """

    def __init__(self, indices, generator=None):
        self.indices = indices
        self.generator = generator

    def __iter__(self):
        for i in jg.randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self):
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """Indices drawn with the given weights, which need not sum to 1.

    >>> list(WeightedRandomSampler([0.0, 1.0], 3))
    [1, 1, 1]
    """

    def __init__(self, weights, num_samples, replacement=True, generator=None):
        _positive("num_samples", num_samples)
        _boolean("replacement", replacement)
        self.weights = jg.as_tensor(weights, dtype=jg.float64)
        if self.weights.dim() != 1:
            raise ValueError(
                "weights should be a 1d sequence but given weights have shape "
                f"{tuple(self.weights.shape)}"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self):
        weights = self.weights.numpy()
        if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0):
            raise RuntimeError("invalid weights: expected finite ones, none < 0, with a sum > 0")
        draw = self._with_replacement if self.replacement else self._without_replacement
        return iter(draw(weights).tolist())

    def _with_replacement(self, weights):
        bounds = weights.cumsum()
        drawn = self._uniforms(self.num_samples) * bounds[-1]
        return np.searchsorted(bounds, drawn, side="right")

    def _without_replacement(self, weights):
        """The smallest of exponential times with the weights as rates come first."""
        if self.num_samples > np.count_nonzero(weights):
            raise RuntimeError(
                "invalid weights: fewer of them are > 0 than samples without replacement"
            )
        with np.errstate(divide="ignore"):
            times = -np.log1p(-self._uniforms(len(weights))) / weights
        return np.argsort(np.where(weights > 0, times, np.inf), kind="stable")[: self.num_samples]

    def _uniforms(self, count):
        return jg.rand(count, dtype=jg.float64, generator=self.generator).numpy()

    def __len__(self):
        return self.num_samples


class BatchSampler(Sampler):
    """Lists of `batch_size` indices; the last may be shorter unless `drop_last`.

    >>> list(BatchSampler(SequentialSampler("abc"), 2, drop_last=False))
    [[0, 1], [2]]
    """

    def __init__(self, sampler, batch_size, drop_last):
        _positive("batch_size", batch_size)
        _boolean("drop_last", drop_last)
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self):
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self):
        full, rest = divmod(len(self.sampler), self.batch_size)
        return full + (rest > 0 and not self.drop_last)
