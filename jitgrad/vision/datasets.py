"""Datasets of small images: `MNIST`, `FashionMNIST` (from their files) and `Digits` (built in).

A sample is (image, label): a NumPy uint8 image (H, W), before `transform`, and an int.
"""

from pathlib import Path

import numpy as np

import jitgrad as jg
from jitgrad.utils.data import Dataset
from jitgrad.vision.download import fetch
from jitgrad.vision.idx import find, read_idx

__all__ = ["MNIST", "Digits", "FashionMNIST", "read_idx"]


class _Images(Dataset):
    """Images `data` (n, H, W) uint8 and labels `targets` (n) int64."""

    train: bool | None

    def __init__(self, data, targets, transform, target_transform):
        self.data = jg.tensor(data)
        self.targets = jg.tensor(targets.astype(np.int64))
        self.transform = transform
        self.target_transform = target_transform

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        image, label = self.data.numpy()[index], int(self.targets.numpy()[index])
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            label = self.target_transform(label)
        return image, label

    def __repr__(self):
        lines = [f"Number of datapoints: {len(self)}", *self._details()]
        if self.transform is not None:
            lines.append(f"Transform: {self.transform!r}")
        return "\n    ".join([f"Dataset {type(self).__name__}", *lines])

    def _details(self):
        return [f"Split: {'Train' if self.train else 'Test'}"]


class MNIST(_Images):
    """Handwritten digits, 28x28, 60 000 to train and 10 000 to test.

    The IDX files, plain or .gz, are looked for in `root`/MNIST/raw, `root`/raw and `root`;
    `download=True` fetches what is missing into `root`/MNIST/raw and checks it.
    """

    mirrors: tuple[str, ...] = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    )
    checksums = {
        "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
    }
    classes = tuple(
        f"{i} - {name}"
        for i, name in enumerate("zero one two three four five six seven eight nine".split())
    )

    def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
        self.root = root
        self.train = train
        if download:
            self._download()
        paths = self.files(root, train)
        if paths is None:
            raise RuntimeError(
                f"Dataset not found: no {_name(train, 'images')}[.gz] and {_name(train, 'labels')}"
                f"[.gz] in {', '.join(map(str, self._folders(root)))}. "
                "You can use download=True to download it"
            )
        data, targets = (read_idx(path) for path in paths)
        if len(data) != len(targets):
            raise RuntimeError(
                f"{paths[0]} has {len(data)} images, {paths[1]} {len(targets)} labels"
            )
        super().__init__(data, targets, transform, target_transform)

    @classmethod
    def files(cls, root, train=True):
        """The paths of a split's images and labels, or None where one of them is missing.

        >>> MNIST.files("/nonexistent", train=False) is None
        True
        """
        folders = cls._folders(root)
        paths = tuple(find(folders, _name(train, what)) for what in ("images", "labels"))
        return None if None in paths else paths

    @classmethod
    def _folders(cls, root):
        root = Path(root).expanduser()
        return [root / cls.__name__ / "raw", root / "raw", root]

    @property
    def raw_folder(self):
        """Where downloaded files are put."""
        return str(self._folders(self.root)[0])

    @property
    def class_to_idx(self):
        """Labels by their names."""
        return {name: i for i, name in enumerate(self.classes)}

    def _download(self):
        for name, md5 in self.checksums.items():
            if find(self._folders(self.root), name) is None:
                fetch(name + ".gz", md5, self.mirrors, self.raw_folder)

    def _details(self):
        return [f"Root location: {self.root}", *super()._details()]


def _name(train, what):
    rank = {"images": 3, "labels": 1}[what]
    return f"{'train' if train else 't10k'}-{what}-idx{rank}-ubyte"


class FashionMNIST(MNIST):
    """Zalando's articles of clothing in MNIST's format; files as for MNIST, under FashionMNIST."""

    mirrors = ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",)
    checksums = {
        "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
    }
    classes = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )


class Digits(_Images):
    """The 1 797 UCI handwritten digits, 8x8 with values 0..16, in the package itself.

    Every seventh image is for testing (256), the others for training (1 541); `train=None`: all.
    Both parts hold images of all 13 writers, whose sheets follow one another in the file.
    Source and licence: `vision/data/SOURCE.md`.

    >>> digits = Digits(train=False)
    >>> len(digits), tuple(digits.data.shape), int(digits.data.max())
    (256, (256, 8, 8), 16)
    """

    classes = tuple("0123456789")

    def __init__(self, train=True, transform=None, target_transform=None):
        self.train = train
        folder = Path(__file__).parent / "data"
        data, targets = (
            read_idx(folder / name)
            for name in ("digits-images-idx3-ubyte.gz", "digits-labels-idx1-ubyte.gz")
        )
        if train is not None:
            chosen = (np.arange(len(data)) % 7 == 6) != train
            data, targets = data[chosen], targets[chosen]
        super().__init__(data, targets, transform, target_transform)

    def _details(self):
        return super()._details() if self.train is not None else []
