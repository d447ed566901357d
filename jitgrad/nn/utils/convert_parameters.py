"""All parameters as one vector, and back."""

import jitgrad as jg


def parameters_to_vector(parameters):
    """The parameters flat, one after the other: (n).

    >>> import jitgrad as jg
    >>> parameters_to_vector([jg.zeros(2, 2), jg.ones(1)]).tolist()
    [0.0, 0.0, 0.0, 0.0, 1.0]
    """
    return jg.cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec, parameters):
    """Write the parts of a vector (n) into the parameters.

    >>> import jitgrad as jg
    >>> p = jg.nn.Parameter(jg.zeros(2))
    >>> vector_to_parameters(jg.tensor([1.0, 2.0]), [p])
    >>> p.tolist()
    [1.0, 2.0]
    """
    if not isinstance(vec, jg.Tensor):
        raise TypeError(f"expected jitgrad.Tensor, but got: {type(vec)}")
    start = 0
    with jg.no_grad():
        for parameter in parameters:
            end = start + parameter.numel()
            parameter.copy_(vec[start:end].view_as(parameter))
            start = end
