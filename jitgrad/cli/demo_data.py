"""The demo's images as flat float tensors in [0, 1], in memory; entries `digits` and `mnist`."""

from dataclasses import dataclass
from typing import Any

from jitgrad.vision.datasets import MNIST, Digits

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
    test = MNIST(folder, train=False)
    if MNIST.files(folder, train=True):
        train = MNIST(folder, train=True)
        story = f"MNIST: {len(train)} to train, {len(test)} held out"
        return Data(_flat(train.data), train.targets, _flat(test.data), test.targets, story)
    images, labels = _flat(test.data), test.targets
    story = (
        f"MNIST: no training files in {folder}, so the test files are split: "
        f"the first {TRAIN} to train, the last {len(images) - TRAIN} held out"
    )
    return Data(images[:TRAIN], labels[:TRAIN], images[TRAIN:], labels[TRAIN:], story)


def _flat(images, white=255):
    return images.reshape(len(images), -1).float() / white
