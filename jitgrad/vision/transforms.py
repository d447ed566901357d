"""Image transforms: `Compose`, `ToTensor`, `Normalize`, crops, flips, `Lambda`.

What is already computed and needs no gradient is worked on by NumPy, image by image, so that a
loader compiles nothing; its float arithmetic has the same bits as the tensor operations.
Random ones draw from Python's `random`, as torchvision's draw from PyTorch's generator.
"""

import random

import numpy as np

import jitgrad as jg
from jitgrad.utils.host import host

__all__ = [
    "CenterCrop",
    "Compose",
    "Lambda",
    "Normalize",
    "RandomCrop",
    "RandomHorizontalFlip",
    "ToTensor",
]


class Compose:
    """Transforms one after the other.

    >>> Compose([Lambda(lambda x: x + 1), Lambda(lambda x: x * 2)])(3)
    8
    """

    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, image):
        for transform in self.transforms:
            image = transform(image)
        return image

    def __repr__(self):
        return "\n    ".join(["Compose(", *map(repr, self.transforms)]) + "\n)"


class ToTensor:
    """An image (H, W) or (H, W, C), array or PIL, to a tensor (C, H, W); uint8 to [0, 1].

    >>> import numpy as np
    >>> ToTensor()(np.full((1, 2), 255, np.uint8)).tolist()
    [[[1.0, 1.0]]]
    """

    def __call__(self, image):
        array = np.asarray(image)
        if array.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {array.ndim} dimensions.")
        if array.ndim == 2:
            array = array[:, :, None]
        array = array.transpose(2, 0, 1)
        if array.dtype == np.uint8:
            array = array.astype(np.float32) / np.float32(255)
        return jg.tensor(np.ascontiguousarray(array))

    def __repr__(self):
        return "ToTensor()"


class Normalize:
    """(image - mean) / std of each channel of a float tensor (..., C, H, W).

    >>> import jitgrad as jg
    >>> Normalize((0.5,), (0.5,))(jg.ones(1, 1, 2)).tolist()
    [[[1.0, 1.0]]]
    """

    def __init__(self, mean, std, inplace=False):
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def __call__(self, tensor):
        if not isinstance(tensor, jg.Tensor):
            raise TypeError(f"img should be Tensor Image. Got {type(tensor)}")
        if not tensor.is_floating_point():
            raise TypeError(f"Input tensor should be a float tensor. Got {tensor.dtype}.")
        if tensor.dim() < 3:
            raise ValueError(
                "Expected tensor to be a tensor image of size (..., C, H, W). "
                f"Got tensor.size() = {tensor.size()}"
            )
        if any(float(value) == 0 for value in np.ravel(self.std)):
            raise ValueError("std evaluated to zero, leading to division by zero.")
        array = host(tensor)
        if array is not None and not self.inplace:
            mean, std = (_channels(np.asarray(v, array.dtype)) for v in (self.mean, self.std))
            return jg.tensor((array - mean) / std)
        mean, std = (_channels(jg.tensor(v, dtype=tensor.dtype)) for v in (self.mean, self.std))
        output = (tensor - mean) / std
        return tensor.copy_(output) if self.inplace else output

    def __repr__(self):
        return f"Normalize(mean={self.mean}, std={self.std})"


def _channels(values):
    return values.reshape(-1, 1, 1)


class Lambda:
    """A function as a transform.

    >>> Lambda(abs)(-2)
    2
    """

    def __init__(self, lambd):
        if not callable(lambd):
            raise TypeError(f"Argument lambd should be callable, got {type(lambd).__name__!r}")
        self.lambd = lambd

    def __call__(self, image):
        return self.lambd(image)

    def __repr__(self):
        return "Lambda()"


def _size(size):
    size = (size, size) if isinstance(size, int) else tuple(size)
    return size * 2 if len(size) == 1 else size


class CenterCrop:
    """The middle (h, w) of (..., H, W).

    >>> import jitgrad as jg
    >>> CenterCrop(1)(jg.arange(9).reshape(3, 3)).tolist()
    [[4]]
    """

    def __init__(self, size):
        self.size = _size(size)

    def __call__(self, image):
        height, width = self.size
        if height > image.shape[-2] or width > image.shape[-1]:
            raise NotImplementedError("CenterCrop: size larger than the image")
        top = round((image.shape[-2] - height) / 2.0)
        left = round((image.shape[-1] - width) / 2.0)
        return image[..., top : top + height, left : left + width]

    def __repr__(self):
        return f"CenterCrop(size={self.size})"


class RandomCrop:
    """A random (h, w) of (..., H, W), which `padding` first widens with zeros on all sides.

    >>> import jitgrad as jg
    >>> tuple(RandomCrop(4, padding=2)(jg.ones(1, 4, 4)).shape)
    (1, 4, 4)
    """

    def __init__(self, size, padding=None):
        self.size = _size(size)
        if padding is not None and not isinstance(padding, int):
            raise NotImplementedError("RandomCrop: padding by side")
        self.padding = padding

    def __call__(self, image):
        if self.padding:
            border = [(0, 0)] * (image.dim() - 2) + [(self.padding, self.padding)] * 2
            image = jg.tensor(np.pad(image.detach().numpy(), border))
        height, width = self.size
        free = image.shape[-2] - height, image.shape[-1] - width
        if min(free) < 0:
            raise ValueError(
                f"Required crop size {self.size} is larger than input image size "
                f"{tuple(image.shape[-2:])}"
            )
        top, left = (random.randint(0, n) for n in free)
        return image[..., top : top + height, left : left + width]

    def __repr__(self):
        return f"RandomCrop(size={self.size}, padding={self.padding})"


class RandomHorizontalFlip:
    """Mirrored left to right with probability p.

    >>> import jitgrad as jg
    >>> RandomHorizontalFlip(p=1.0)(jg.tensor([[1, 2]])).tolist()
    [[2, 1]]
    """

    def __init__(self, p=0.5):
        self.p = p

    def __call__(self, image):
        return image.flip(-1) if random.random() < self.p else image

    def __repr__(self):
        return f"RandomHorizontalFlip(p={self.p})"
