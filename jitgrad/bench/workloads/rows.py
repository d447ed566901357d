"""Rows reduced and written again: `SOFTMAX`, `CROSS_ENTROPY`, `LAYER_NORM`; sizes are rows."""

from jitgrad.bench.workloads.workload import Bar, Workload, normal

ROWS = 4096
COLUMNS = 1024
CLASSES = 1000
BARS = {ROWS: Bar(0.85, "peers")}


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


def _layer_norm_torch(api, x, weight, bias, upstream):
    layer_norm = api.torch.nn.functional.layer_norm

    @api.forward
    def value(x, weight, bias):
        return layer_norm(x, (COLUMNS,), weight, bias)

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
        return ((centred * scale * weight + bias) * upstream).sum()

    step = jax.jit(jax.grad(value, (0, 1, 2)))
    inputs = [jax.numpy.array(array) for array in (x, weight, bias, upstream)]
    return lambda: step(*inputs)


def _layer_norm_arrays(rng, rows):
    x, upstream = normal(rng, rows, COLUMNS), normal(rng, rows, COLUMNS)
    return x, normal(rng, COLUMNS), normal(rng, COLUMNS), upstream


SOFTMAX = Workload(
    name="softmax",
    about=f"softmax over {COLUMNS} columns, forward",
    sizes=(ROWS,),
    arrays=lambda rng, rows: (normal(rng, rows, COLUMNS),),
    torch=_softmax_torch,
    jax=_softmax_jax,
    grad=False,
    bars=BARS,
)
CROSS_ENTROPY = Workload(
    name="cross_entropy",
    about=f"cross entropy over {CLASSES} classes, forward and backward",
    sizes=(ROWS,),
    arrays=lambda rng, rows: (normal(rng, rows, CLASSES), rng.integers(0, CLASSES, rows)),
    torch=_cross_entropy_torch,
    jax=_cross_entropy_jax,
    bars=BARS,
)
LAYER_NORM = Workload(
    name="layer_norm",
    about=f"layer norm over {COLUMNS} columns with weight and bias, forward and backward",
    sizes=(ROWS,),
    arrays=_layer_norm_arrays,
    torch=_layer_norm_torch,
    jax=_layer_norm_jax,
)
