"""Functions of integer tensors: `one_hot`, `embedding`."""

import jitgrad as jg
from jitgrad.frontend import explained
from jitgrad.frontend.record import label
from jitgrad.nn.functional._index import checked


@explained
def one_hot(tensor, num_classes=-1):
    """1 at the class, 0 elsewhere: (*) int64 -> (*, num_classes); -1 reads the largest class.

    >>> import jitgrad as jg
    >>> one_hot(jg.tensor([0, 2]), 3).tolist()
    [[1, 0, 0], [0, 0, 1]]
    """
    if tensor.dtype != jg.int64:
        raise RuntimeError(
            f"one_hot is only applicable to index tensor of type LongTensor, got {tensor.dtype}"
        )
    if num_classes == -1:
        if tensor.numel() == 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        num_classes = int(tensor.max()) + 1
    elif num_classes < 1:
        raise RuntimeError("num_classes should be positive")
    index = checked(tensor, num_classes, "class")
    return (index.unsqueeze(-1) == jg.arange(num_classes, device=tensor.device)).to(jg.int64)


@explained
def embedding(
    input,
    weight,
    padding_idx=None,
    max_norm=None,
    norm_type=2.0,
    scale_grad_by_freq=False,
    sparse=False,
):
    """Rows of a table: (*) integers, (V, D) -> (*, D). Row `padding_idx` gets no gradient.

    >>> import jitgrad as jg
    >>> embedding(jg.tensor([2, 0]), jg.eye(3)).tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    embedding_refuse(max_norm, scale_grad_by_freq, sparse)
    if input.dtype not in (jg.int64, jg.int32):
        raise RuntimeError(f"embedding: indices must be int64 or int32, not {input.dtype}")
    padding_idx = embedding_padding(padding_idx, weight.shape[0])
    rows = weight[checked(input, weight.shape[0], "row of the table")]
    if padding_idx is not None:
        rows = jg.where((input == padding_idx).unsqueeze(-1), rows.detach(), rows)
    return label(rows, "embedding")


def embedding_refuse(max_norm, scale_grad_by_freq, sparse):
    """The arguments of `embedding` that are not supported."""
    given = {"max_norm": max_norm, "scale_grad_by_freq": scale_grad_by_freq, "sparse": sparse}
    for name, value in given.items():
        if value:
            raise NotImplementedError(f"embedding: {name}")


def embedding_padding(padding_idx, rows):
    """The padding row counted from the start."""
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise AssertionError("Padding_idx must be within num_embeddings")
    return padding_idx % rows
