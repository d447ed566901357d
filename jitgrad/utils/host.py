"""Values that lie on the host already; entry `host`. The one place of the rooms that looks inside
a Tensor."""


def host(tensor):
    """The values as a read-only array if they are computed and need no gradient, else None.

    >>> import jitgrad as jg
    >>> host(jg.tensor([1, 2])).tolist(), host(jg.ones(2) + 1)
    ([1, 2], None)
    """
    node = tensor._storage.node  # None: memory from NumPy
    if tensor.requires_grad or (node is not None and not node.realised):
        return None
    return tensor.numpy()
