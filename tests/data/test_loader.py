"""DataLoader, datasets, samplers and collation."""

from collections import namedtuple

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.utils import data as D
from jitgrad.utils.host import host


class Squares(D.Dataset):
    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, i):
        return {"x": jg.tensor([float(i), float(i) ** 2]), "i": i, "name": f"n{i}"}


def ids(loader):
    return [int(i) for batch in loader for i in batch["i"]]


def test_batches_in_order():
    loader = D.DataLoader(Squares(10), batch_size=4)
    batches = list(loader)
    assert [len(b["i"]) for b in batches] == [4, 4, 2] and len(loader) == 3
    assert tuple(batches[0]["x"].shape) == (4, 2) and batches[0]["x"][3].tolist() == [3.0, 9.0]
    assert batches[0]["i"].dtype == jg.int64 and batches[0]["name"] == ["n0", "n1", "n2", "n3"]
    assert len(D.DataLoader(Squares(10), batch_size=4, drop_last=True)) == 2
    assert ids(D.DataLoader(Squares(3))) == [0, 1, 2]


def test_shuffle_is_seeded_and_new_each_pass():
    jg.manual_seed(3)
    loader = D.DataLoader(Squares(20), batch_size=3, shuffle=True)
    first, second = ids(loader), ids(loader)
    assert sorted(first) == sorted(second) == list(range(20)) and first != second
    jg.manual_seed(3)
    assert ids(D.DataLoader(Squares(20), batch_size=3, shuffle=True)) == first


def test_own_generator():
    passes = []
    for _ in range(2):
        generator = jg.Generator()
        generator.manual_seed(1)
        loader = D.DataLoader(Squares(20), batch_size=4, shuffle=True, generator=generator)
        passes.append(ids(loader))
    assert passes[0] == passes[1]


def test_tensor_dataset():
    x, y = jg.arange(10.0).reshape(5, 2), jg.arange(5)
    loader = D.DataLoader(D.TensorDataset(x, y), batch_size=2)
    batches = list(loader)
    assert [b[1].tolist() for b in batches] == [[0, 1], [2, 3], [4]]
    assert isinstance(batches[0], list) and batches[2][0].tolist() == [[8.0, 9.0]]
    with jg.no_grad():
        batches[0][0].zero_()  # a batch has memory of its own
    assert x[0].tolist() == [0.0, 1.0]
    jg.manual_seed(0)
    for a, b in D.DataLoader(D.TensorDataset(x, y), batch_size=3, shuffle=True):
        assert (a[:, 0] == 2 * b).all()
    with pytest.raises(AssertionError, match="Size mismatch"):
        D.TensorDataset(x, y[:2])


def test_own_collate_sees_samples():
    dataset = D.TensorDataset(jg.arange(4.0))
    assert list(D.DataLoader(dataset, batch_size=3, collate_fn=len)) == [3, 1]


def test_samplers():
    assert ids(D.DataLoader(D.Subset(Squares(9), [7, 1, 3]), batch_size=2)) == [7, 1, 3]
    chosen = D.SubsetRandomSampler([2, 4, 6])
    assert sorted(ids(D.DataLoader(Squares(9), batch_size=2, sampler=chosen))) == [2, 4, 6]
    assert ids(D.DataLoader(Squares(9), batch_sampler=[[1, 2], [5]])) == [1, 2, 5]
    assert len(list(D.RandomSampler(range(5), num_samples=12))) == 12
    assert set(D.RandomSampler(range(5), replacement=True, num_samples=30)) <= set(range(5))
    assert list(D.BatchSampler(range(5), 2, True)) == [[0, 1], [2, 3]]
    assert len(D.BatchSampler(range(5), 2, False)) == 3


def test_weighted_sampler(compiled):
    jg.manual_seed(0)
    drawn = np.bincount(list(D.WeightedRandomSampler([1.0, 0.0, 3.0], 4000)))
    assert drawn[1] == 0 and abs(drawn[2] / 4000 - 0.75) < 0.03
    once = list(D.WeightedRandomSampler([0.1, 0.0, 5.0, 1.0], 3, replacement=False))
    assert sorted(once) == [0, 2, 3]
    with pytest.raises(RuntimeError, match="without replacement"):
        list(D.WeightedRandomSampler([1.0, 0.0], 2, replacement=False))
    with pytest.raises(RuntimeError, match="invalid weights"):
        list(D.WeightedRandomSampler([-1.0, 2.0], 1))


def test_random_split():
    parts = D.random_split(Squares(10), [6, 2, 2])
    assert sorted(i for part in parts for i in ids(D.DataLoader(part))) == list(range(10))
    assert [len(p) for p in D.random_split(range(10), [0.5, 0.25, 0.25])] == [6, 2, 2]
    with pytest.raises(ValueError, match="Sum of input lengths"):
        D.random_split(range(10), [6, 2])
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        D.random_split(range(1), [0.5, 0.5])


def test_concat():
    both = Squares(10) + Squares(2)
    assert ids(D.DataLoader(both, batch_size=5)) == [*range(10), 0, 1] and len(both) == 12
    assert both[-1]["i"] == 1
    with pytest.raises(ValueError, match="should not exceed dataset length"):
        both[-13]


class Stream(D.IterableDataset):
    def __iter__(self):
        return iter(range(5))

    def __len__(self):
        return 5


def test_streams():
    assert [b.tolist() for b in D.DataLoader(Stream(), batch_size=2)] == [[0, 1], [2, 3], [4]]
    loader = D.DataLoader(Stream(), batch_size=2, drop_last=True)
    assert len(loader) == 2 and len(list(loader)) == 2
    assert list(D.DataLoader(Stream(), batch_size=None)) == [0, 1, 2, 3, 4]
    assert list(Stream() + Stream()) == [*range(5), *range(5)]
    with pytest.raises(ValueError, match="expected unspecified shuffle"):
        D.DataLoader(Stream(), shuffle=True)
    with pytest.raises(ValueError, match="expected unspecified sampler"):
        D.DataLoader(Stream(), sampler=[1])


def test_without_batches():
    samples = list(D.DataLoader([np.ones(2), 3], batch_size=None))
    assert samples[0].tolist() == [1, 1] and samples[1] == 3


Point = namedtuple("Point", ["x", "y"])


def test_collate():
    batch = D.default_collate([Point(1.5, [1, "a"]), Point(2.5, [2, "b"])])
    assert isinstance(batch, Point) and batch.x.dtype == jg.float64
    assert batch.y[0].tolist() == [1, 2] and batch.y[1] == ["a", "b"]
    arrays = D.default_collate([np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32)])
    assert tuple(arrays.shape) == (2, 2, 3) and arrays.dtype == jg.float32
    assert D.default_collate([np.int32(4), np.int32(5)]).dtype == jg.int32
    assert D.default_collate([True, False]).dtype == jg.bool
    assert D.default_collate([(1, 2), (3, 4)])[1].tolist() == [2, 4]
    grown = D.default_collate([jg.ones(2, requires_grad=True) * 2, jg.ones(2)])
    assert grown.requires_grad and tuple(grown.shape) == (2, 2)
    with pytest.raises(TypeError, match="must contain tensors"):
        D.default_collate([object()])
    with pytest.raises(RuntimeError, match="equal size"):
        D.default_collate([[1, 2], [1]])
    with pytest.raises(RuntimeError, match="equal size"):
        D.default_collate([jg.ones(2), jg.ones(3)])


@pytest.mark.parametrize(
    "options, error, text",
    [
        ({"num_workers": 2}, NotImplementedError, "num_workers=2"),
        ({"num_workers": -1}, ValueError, "non-negative"),
        ({"prefetch_factor": 2}, NotImplementedError, "prefetch_factor"),
        ({"sampler": [0], "shuffle": True}, ValueError, "mutually exclusive with shuffle"),
        ({"batch_sampler": [[0]], "batch_size": 3}, ValueError, "batch_sampler option"),
        ({"batch_size": None, "drop_last": True}, ValueError, "drop_last"),
        ({"batch_size": 0}, ValueError, "batch_size=0"),
        ({"batch_size": 2, "drop_last": 3}, TypeError, "drop_last=3"),
    ],
)
def test_errors(options, error, text):
    with pytest.raises(error, match=text):
        D.DataLoader(range(4), **options)


def test_pin_memory_warns():
    with pytest.warns(UserWarning, match="pin_memory"):
        D.DataLoader(range(4), pin_memory=True)


def test_loop_stays_flat():
    total = jg.zeros(())
    for step, (x,) in enumerate(D.DataLoader(D.TensorDataset(jg.ones(50)), batch_size=1)):
        assert host(x) is not None and (step == 0 or host(total) is not None)
        total += x.sum()
    assert total.item() == 50
