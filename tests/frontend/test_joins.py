"""Joining tensors: empty vectors."""

import jitgrad as jg


def test_an_empty_vector_among_vectors_keeps_its_dtype_and_history():
    x = jg.empty(0).requires_grad_()
    y = jg.cat([x, jg.tensor([True, False])])
    assert y.dtype is jg.float32 and y.requires_grad
    y.sum().backward()
    assert x.grad.shape == (0,)


def test_an_empty_vector_joins_anything():
    assert jg.cat([jg.empty(0), jg.ones(2, 3)], 0).shape == (2, 3)
    assert jg.cat([jg.empty(0), jg.empty(0)]).shape == (0,)
