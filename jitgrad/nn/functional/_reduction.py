"""The `reduction` argument of the losses. Imports nothing of jitgrad."""

import warnings


def reduce(loss, reduction):
    """`loss` itself, its mean or its sum."""
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    check(reduction)
    return loss


def check(reduction):
    """Refuse what is no reduction."""
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")


def legacy(size_average, reduce, reduction):
    """The reduction that PyTorch's two old arguments ask for; `reduction` where both are None."""
    if size_average is None and reduce is None:
        return reduction
    if reduce is False:
        new = "none"
    else:
        new = "sum" if size_average is False else "mean"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{new}' instead.",
        stacklevel=4,
    )
    return new
