"""Chains of elementwise operations: `GELU` (forward), `CHAIN` (to a sum, and back)."""

from jitgrad.bench.workloads.workload import Bar, Workload, normal

SIZES = (1_000, 100_000, 10_000_000)
BARS = {1_000: Bar(1.0, "jax"), 100_000: Bar(0.67, "jax"), 10_000_000: Bar(0.67, "jax")}


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
    grad=False,
    bars=BARS,
)
CHAIN = Workload(
    name="chain",
    about="(sigmoid(x*y+1)*exp(-x*x)+relu(y-x)).sum(), forward and backward",
    sizes=SIZES,
    arrays=lambda rng, n: (normal(rng, n), normal(rng, n)),
    torch=_chain_torch,
    jax=_chain_jax,
    bars=BARS,
)
