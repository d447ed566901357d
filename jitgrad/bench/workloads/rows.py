"""Rows reduced and written again: `SOFTMAX`, `CROSS_ENTROPY`, `LAYER_NORM`; sizes are rows.

An odd number of rows has one column less: then rows begin at any address.
"""

from jitgrad.bench.workloads.workload import Bar, Workload, normal

ROWS = 4096
COLUMNS = 1024
CLASSES = 1000
ODD = 4099


def _softmax_torch(api, x):
    torch = api.torch

    def softmax(x):
        return torch.softmax(x, -1)

    softmax = api.step(api.forward(softmax))
    x = api.tensor(x)
    return lambda: softmax(x)


def _softmax_jax(jax, x):
    softmax = jax.jit(lambda x: jax.nn.softmax(x, axis=-1))
    x = jax.numpy.array(x)
    return lambda: softmax(x)


def _softmax_numpy(np, x):
    def step():
        e = np.exp(x - x.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    return step


def _cross_entropy_torch(api, x, labels):
    cross_entropy = api.torch.nn.functional.cross_entropy

    @api.forward
    def value(x, labels):
        return cross_entropy(x, labels)

    @api.step
    def step(x, labels):
        x.grad = None
        value(x, labels).backward()
        return x.grad

    x, labels = api.tensor(x, grad=True), api.tensor(labels)
    return lambda: step(x, labels)


def cross_entropy_jax(jax, logits, labels):
    """The mean over rows of the negative logarithm of the label's probability."""
    picked = jax.numpy.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1)
    return -picked.mean()


def _cross_entropy_jax(jax, x, labels):
    step = jax.jit(jax.grad(lambda x, labels: cross_entropy_jax(jax, x, labels)))
    x, labels = jax.numpy.array(x), jax.numpy.array(labels)
    return lambda: step(x, labels)


def _cross_entropy_numpy(np, x, labels):
    softmax, rows = _softmax_numpy(np, x), np.arange(len(x))

    def step():
        gradient = softmax()
        gradient[rows, labels] -= 1
        gradient /= len(x)
        return gradient

    return step


def _layer_norm_torch(api, x, weight, bias, upstream):
    functional = api.torch.nn.functional

    @api.forward
    def value(x, weight, bias):
        y = functional.layer_norm(x, weight.shape, weight, bias)
        return functional.gelu(y, approximate="tanh") + x

    @api.step
    def step(x, weight, bias, upstream):
        x.grad = weight.grad = bias.grad = None
        value(x, weight, bias).backward(upstream)
        return x.grad, weight.grad, bias.grad

    x, weight, bias = (api.tensor(array, grad=True) for array in (x, weight, bias))
    upstream = api.tensor(upstream)
    return lambda: step(x, weight, bias, upstream)


def _layer_norm_jax(jax, x, weight, bias, upstream):
    def value(x, weight, bias, upstream):
        centred = x - x.mean(-1, keepdims=True)
        scale = jax.lax.rsqrt((centred * centred).mean(-1, keepdims=True) + 1e-5)
        y = centred * scale * weight + bias
        return ((jax.nn.gelu(y, approximate=True) + x) * upstream).sum()

    step = jax.jit(jax.grad(value, (0, 1, 2)))
    inputs = [jax.numpy.array(array) for array in (x, weight, bias, upstream)]
    return lambda: step(*inputs)


def _layer_norm_numpy(np, x, weight, bias, upstream):
    half, one, eps, scale, cubic = (
        np.float32(value) for value in (0.5, 1, 1e-5, (2 / np.pi) ** 0.5, 0.044715)
    )

    def step():
        centred = x - x.mean(1, keepdims=True)
        inverse = one / np.sqrt((centred * centred).mean(1, keepdims=True) + eps)
        normed = centred * inverse
        y = normed * weight + bias
        t = np.tanh(scale * (y + cubic * y * y * y))
        slope = half * y * (one - t * t) * scale * (one + 3 * cubic * y * y)
        g = upstream * (half * (one + t) + slope)
        inner = g * weight
        moment = (inner * normed).mean(1, keepdims=True)
        dx = inverse * (inner - inner.mean(1, keepdims=True) - normed * moment) + upstream
        return dx, (g * normed).sum(0), g.sum(0)

    return step


def _columns(rows, columns=COLUMNS):
    return columns - rows % 2


def _elements(rows, columns=COLUMNS):
    return rows * _columns(rows, columns)


def _layer_norm_arrays(rng, rows):
    columns = _columns(rows)
    x, upstream = normal(rng, rows, columns), normal(rng, rows, columns)
    return x, normal(rng, columns), normal(rng, columns), upstream


def _cross_entropy_arrays(rng, rows):
    classes = _columns(rows, CLASSES)
    return normal(rng, rows, classes), rng.integers(0, classes, rows)


SOFTMAX = Workload(
    name="softmax",
    about=f"softmax over {COLUMNS} columns, forward",
    sizes=(ROWS, ODD),
    arrays=lambda rng, rows: (normal(rng, rows, _columns(rows)),),
    torch=_softmax_torch,
    jax=_softmax_jax,
    numpy=_softmax_numpy,
    grad=False,
    bars={ROWS: Bar(0.80, "peers")},
    lazy={ROWS: 1.0},
    nbytes=lambda rows: 2 * 4 * _elements(rows),
    elements=_elements,
    odd={ODD: ROWS},
)
CROSS_ENTROPY = Workload(
    name="cross_entropy",
    about=f"cross entropy over {CLASSES} classes, forward and backward",
    sizes=(ROWS, ODD),
    arrays=_cross_entropy_arrays,
    torch=_cross_entropy_torch,
    jax=_cross_entropy_jax,
    numpy=_cross_entropy_numpy,
    bars={ROWS: Bar(0.65, "peers")},
    lazy={ROWS: 1.0},
    nbytes=lambda rows: 2 * 4 * _elements(rows, CLASSES) + 8 * rows,
    elements=lambda rows: _elements(rows, CLASSES),
    odd={ODD: ROWS},
)
LAYER_NORM = Workload(
    name="layer_norm",
    about=f"layer norm over {COLUMNS} columns with weight and bias, gelu, the input added: "
    "forward and backward",
    sizes=(ROWS, ODD),
    arrays=_layer_norm_arrays,
    torch=_layer_norm_torch,
    jax=_layer_norm_jax,
    numpy=_layer_norm_numpy,
    bars={ROWS: Bar(0.35, "peers")},
    lazy={ROWS: 1.0},
    nbytes=lambda rows: 4 * (3 * _elements(rows) + 4 * _columns(rows)),
    elements=_elements,
    odd={ODD: ROWS},
)
