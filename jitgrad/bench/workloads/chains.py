"""Chains of elementwise operations: `GELU` (forward), `CHAIN` (to a sum, and back)."""

from jitgrad.bench.workloads.workload import Bar, Workload, normal

SIZES = (1_000, 100_000, 10_000_000)
BARS = {size: Bar(0.60, "peers") for size in SIZES}
LAZY = {10_000_000: 1.0}
ODD = {1_000_003: 1_000_000}
_GELU = (0.5, 0.7978845608, 0.044715)


def _gelu_torch(api, x):
    torch = api.torch

    def gelu(x):
        return 0.5 * x * (1 + torch.tanh(0.7978845608 * (x + 0.044715 * x * x * x)))

    gelu = api.step(api.forward(gelu))
    x = api.tensor(x)
    return lambda: gelu(x)


def _gelu_jax(jax, x):
    jnp = jax.numpy

    @jax.jit
    def gelu(x):
        return 0.5 * x * (1 + jnp.tanh(0.7978845608 * (x + 0.044715 * x * x * x)))

    x = jnp.array(x)
    return lambda: gelu(x)


def _gelu_numpy(np, x):
    half, scale, cubic = (np.float32(v) for v in _GELU)
    return lambda: half * x * (1 + np.tanh(scale * (x + cubic * x * x * x)))


def _gelu_numexpr(numexpr, x):
    # A literal with a point would make it compute in float64.
    values = {name: x.dtype.type(v) for name, v in zip("abc", _GELU, strict=True)}
    text = "a * x * (1 + tanh(b * (x + c * x * x * x)))"
    return lambda: numexpr.evaluate(text, {"x": x, **values})


def _chain_numpy(np, x, y):
    one, two = np.float32(1), np.float32(2)

    def step():
        s, e = one / (one + np.exp(-(x * y + one))), np.exp(-x * x)
        return s * (one - s) * y * e - two * x * s * e - (y > x)

    return step


def _chain_numexpr(numexpr, x, y):
    s, e = "(1 / (1 + exp(-(x * y + 1))))", "exp(-x * x)"
    text = f"{s} * (1 - {s}) * y * {e} - 2 * x * {s} * {e} - where(y > x, 1, 0)"
    return lambda: numexpr.evaluate(text, {"x": x, "y": y})


def _chain_torch(api, x, y):
    torch = api.torch

    @api.forward
    def value(x, y):
        return (torch.sigmoid(x * y + 1) * torch.exp(-x * x) + torch.relu(y - x)).sum()

    @api.step
    def step(x, y):
        x.grad = None
        value(x, y).backward()
        return x.grad

    x, y = api.tensor(x, grad=True), api.tensor(y)
    return lambda: step(x, y)


def _chain_jax(jax, x, y):
    jnp, nn = jax.numpy, jax.nn

    def value(x, y):
        return (nn.sigmoid(x * y + 1) * jnp.exp(-x * x) + nn.relu(y - x)).sum()

    step = jax.jit(jax.grad(value))
    x, y = jnp.array(x), jnp.array(y)
    return lambda: step(x, y)


GELU = Workload(
    name="gelu",
    about="0.5*x*(1+tanh(0.79788*(x+0.044715*x*x*x))), forward",
    sizes=SIZES,
    arrays=lambda rng, n: (normal(rng, n),),
    torch=_gelu_torch,
    jax=_gelu_jax,
    numpy=_gelu_numpy,
    numexpr=_gelu_numexpr,
    grad=False,
    bars=BARS,
    lazy=LAZY,
    nbytes=lambda n: 2 * 4 * n,
    odd=ODD,
)
CHAIN = Workload(
    name="chain",
    about="(sigmoid(x*y+1)*exp(-x*x)+relu(y-x)).sum(), forward and backward",
    sizes=SIZES,
    arrays=lambda rng, n: (normal(rng, n), normal(rng, n)),
    torch=_chain_torch,
    jax=_chain_jax,
    numpy=_chain_numpy,
    numexpr=_chain_numexpr,
    bars=BARS,
    lazy=LAZY,
    nbytes=lambda n: 3 * 4 * n,
    odd=ODD,
)
