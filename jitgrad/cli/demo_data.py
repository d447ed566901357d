"""The demo's images as flat float tensors in [0, 1], in memory; entries `digits` and `mnist`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jitgrad
from jitgrad.vision.datasets import Digits, read_idx

TRAIN = 8000  # of the 10 000 images in a folder that holds only MNIST's test files


@dataclass(frozen=True)
class Data:
    """Images (n, pixels) and labels (n,), and a line that says where they are from."""

    train_images: Any
    train_labels: Any
    test_images: Any
    test_labels: Any
    story: str


def digits():
    """The 8x8 digits in the package."""
    train, test = Digits(train=True), Digits(train=False)
    story = f"UCI digits, 8x8: {len(train)} to train, {len(test)} held out"
    return Data(_flat(train.data, 16), train.targets, _flat(test.data, 16), test.targets, story)


def mnist(folder):
    """MNIST's IDX files in `folder`, plain or .gz; without training files the test set is split."""
    test_images, test_labels = _pair(folder, "t10k")
    if _find(folder, "train-images-idx3-ubyte"):
        train_images, train_labels = _pair(folder, "train")
        story = f"MNIST: {len(train_images)} to train, {len(test_images)} held out"
    else:
        train_images, train_labels = test_images[:TRAIN], test_labels[:TRAIN]
        test_images, test_labels = test_images[TRAIN:], test_labels[TRAIN:]
        story = (
            f"MNIST: no training files in {folder}, so the test files are split: "
            f"the first {len(train_images)} to train, the last {len(test_images)} held out"
        )
    return Data(_flat(train_images), train_labels, _flat(test_images), test_labels, story)


def _pair(folder, part):
    return [_read(folder, f"{part}-{what}") for what in ("images-idx3-ubyte", "labels-idx1-ubyte")]


def _find(folder, name):
    paths = [Path(folder, name), Path(folder, name + ".gz")]
    return next((path for path in paths if path.is_file()), None)


def _read(folder, name):
    path = _find(folder, name)
    if path is None:
        raise FileNotFoundError(f"no {name} nor {name}.gz in {folder}")
    return jitgrad.tensor(read_idx(path))


def _flat(images, white=255):
    return images.reshape(len(images), -1).float() / white
