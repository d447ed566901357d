"""Image datasets and transforms under torchvision's names; images are NumPy arrays or tensors."""

from jitgrad.vision import datasets, transforms

__all__ = ["datasets", "transforms"]
