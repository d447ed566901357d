"""vision: IDX files in every place and form, the built-in digits, downloads, transforms."""

import gzip
import hashlib

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.utils.data import DataLoader
from jitgrad.vision import datasets, transforms
from jitgrad.vision.download import fetch
from jitgrad.vision.idx import read_idx


def idx_bytes(array):
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def write(folder, part, count, pack=None):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(count)
    images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    labels = rng.integers(0, 10, count, dtype=np.uint8)
    for name, array in ((f"{part}-images-idx3", images), (f"{part}-labels-idx1", labels)):
        data = idx_bytes(array)
        if pack:
            (folder / f"{name}-ubyte.gz").write_bytes(gzip.compress(data))
        else:
            (folder / f"{name}-ubyte").write_bytes(data)
    return images, labels


@pytest.mark.parametrize("where", [".", "raw", "MNIST/raw"])
@pytest.mark.parametrize("pack", [False, True])
def test_mnist_files(tmp_path, where, pack):
    images, labels = write(tmp_path / where, "train", 5, pack)
    data = datasets.MNIST(tmp_path, train=True)
    assert len(data) == 5 and (data.data.numpy() == images).all()
    assert data.targets.dtype == jg.int64 and data.targets.tolist() == labels.tolist()
    image, label = data[2]
    assert (image == images[2]).all() and label == labels[2] and type(label) is int
    assert datasets.MNIST.files(tmp_path, train=False) is None
    assert "Number of datapoints: 5" in repr(data) and "Split: Train" in repr(data)


def test_missing_files(tmp_path):
    with pytest.raises(RuntimeError, match=r"no t10k-images-idx3-ubyte\[.gz\].*download=True"):
        datasets.MNIST(tmp_path, train=False)
    write(tmp_path / "FashionMNIST" / "raw", "t10k", 3)
    assert len(datasets.FashionMNIST(tmp_path, train=False)) == 3
    with pytest.raises(RuntimeError, match="Dataset not found"):
        datasets.MNIST(tmp_path, train=False)


def test_damaged_files(tmp_path):
    path = tmp_path / "x"
    good = idx_bytes(np.zeros((2, 3), np.uint8))
    for data in (b"", b"hello world", good[:-1], good + b"\0"):
        path.write_bytes(data)
        with pytest.raises(ValueError, match="x: "):
            read_idx(path)
    path.write_bytes(good)
    assert read_idx(path).shape == (2, 3) and read_idx(path).flags.writeable


def test_digits():
    every = datasets.Digits(train=None)
    train, test = datasets.Digits(train=True), datasets.Digits(train=False)
    assert (len(every), len(train), len(test)) == (1797, 1541, 256)
    assert every.data.numpy().min() == 0 and every.data.numpy().max() == 16
    counts = np.bincount(every.targets.numpy())
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    digest = hashlib.sha256(every.data.numpy().tobytes() + bytes(every.targets.tolist()))
    assert digest.hexdigest() == DIGITS_SHA256


def test_digits_in_the_package(root):
    folder = root / "jitgrad" / "vision" / "data"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 200_000
    text = (folder / "SOURCE.md").read_text()
    assert "CC BY 4.0" in text and "Alpaydin" in text and "10.24432/C50P49" in text


DIGITS_SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"


def test_fetch(tmp_path):
    source = tmp_path / "mirror"
    source.mkdir()
    (source / "f.gz").write_bytes(b"data")
    md5 = hashlib.md5(b"data").hexdigest()
    mirrors = ["file:///nonexistent/", source.as_uri() + "/"]
    target = tmp_path / "raw"
    assert fetch("f.gz", md5, mirrors, target).read_bytes() == b"data"
    (source / "f.gz").unlink()
    assert fetch("f.gz", md5, mirrors, target).is_file()  # not fetched again
    with pytest.raises(RuntimeError, match="cannot download f.gz; without a network, put the file"):
        fetch("f.gz", "0" * 32, mirrors, tmp_path / "other")


def test_fetch_refuses_a_wrong_checksum(tmp_path):
    (tmp_path / "f").write_bytes(b"evil")
    with pytest.raises(RuntimeError, match="wrong md5"):
        fetch("f", "0" * 32, [tmp_path.as_uri() + "/"], tmp_path / "raw")
    assert not (tmp_path / "raw" / "f").exists()


def test_download(tmp_path, monkeypatch):
    mirror = tmp_path / "mirror"
    write(mirror, "train", 4, pack=True)
    write(mirror, "t10k", 2, pack=True)
    sums = {p.name[:-3]: hashlib.md5(p.read_bytes()).hexdigest() for p in mirror.iterdir()}
    monkeypatch.setattr(datasets.MNIST, "mirrors", (mirror.as_uri() + "/",))
    monkeypatch.setattr(datasets.MNIST, "checksums", sums)
    root = tmp_path / "root"
    assert len(datasets.MNIST(root, train=True, download=True)) == 4
    assert len(datasets.MNIST(root, train=False)) == 2
    assert (root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte.gz").is_file()


def test_loader_of_transformed_images(tmp_path):
    images, labels = write(tmp_path, "train", 10)
    pipeline = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    data = datasets.MNIST(tmp_path, transform=pipeline, target_transform=lambda y: y + 1)
    batch, targets = next(iter(DataLoader(data, batch_size=4)))
    assert tuple(batch.shape) == (4, 1, 28, 28) and batch.dtype == jg.float32
    expected = (images[:4].astype("f4") / np.float32(255) - np.float32(0.5)) / np.float32(0.5)
    assert (batch.numpy()[:, 0] == expected).all()
    assert targets.tolist() == (labels[:4] + 1).tolist()


def test_to_tensor():
    image = np.random.default_rng(0).integers(0, 256, (4, 3, 3)).astype(np.uint8)
    tensor = transforms.ToTensor()(image)
    assert tuple(tensor.shape) == (3, 4, 3) and tensor.dtype == jg.float32
    np.testing.assert_allclose(tensor.numpy(), image.transpose(2, 0, 1) / 255, rtol=1e-6)
    assert tuple(transforms.ToTensor()(image[:, :, 0]).shape) == (1, 4, 3)
    assert transforms.ToTensor()(np.ones((2, 2))).dtype == jg.float64
    with pytest.raises(ValueError, match="2/3 dimensional"):
        transforms.ToTensor()(np.ones(3))


def test_normalize():
    x = jg.tensor(np.arange(12, dtype=np.float32).reshape(3, 2, 2))
    mean, std = (1.0, 2.0, 3.0), (2.0, 4.0, 0.5)
    expected = (x.numpy() - np.float32(mean)[:, None, None]) / np.float32(std)[:, None, None]
    assert (transforms.Normalize(mean, std)(x).numpy() == expected).all()
    leaf = x.clone().requires_grad_()
    transforms.Normalize(mean, std)(leaf).sum().backward()
    assert leaf.grad[:, 0, 0].tolist() == [0.5, 0.25, 2.0]
    y = x.clone()
    assert transforms.Normalize(mean, std, inplace=True)(y) is y and (y.numpy() == expected).all()
    with pytest.raises(TypeError, match="float tensor"):
        transforms.Normalize(mean, std)(x.long())
    with pytest.raises(ValueError, match="division by zero"):
        transforms.Normalize(mean, (1.0, 0.0, 1.0))(x)


def test_crops_and_flips():
    x = jg.arange(48.0).reshape(3, 4, 4)
    assert transforms.CenterCrop(2)(x)[0].tolist() == [[5, 6], [9, 10]]
    assert tuple(transforms.RandomCrop(3)(x).shape) == (3, 3, 3)
    wide = transforms.RandomCrop(8, padding=2)(x)
    assert tuple(wide.shape) == (3, 8, 8) and wide.sum().item() == x.sum().item()
    assert transforms.RandomHorizontalFlip(p=1.0)(x)[0, 0].tolist() == [3, 2, 1, 0]
    assert transforms.RandomHorizontalFlip(p=0.0)(x) is x
    with pytest.raises(ValueError, match="larger than input image size"):
        transforms.RandomCrop(5)(x)
    pipeline = transforms.Compose([transforms.ToTensor(), transforms.CenterCrop(2)])
    assert repr(pipeline) == "Compose(\n    ToTensor()\n    CenterCrop(size=(2, 2))\n)"
