"""`MATMUL`: a product of two square matrices, held to what the BLAS library itself reaches."""

from jitgrad.bench.workloads.workload import Bar, Workload, normal


def _torch(api, a, b):
    def product(a, b):
        return a @ b

    product = api.step(api.forward(product))
    a, b = api.tensor(a), api.tensor(b)
    return lambda: product(a, b)


def _jax(jax, a, b):
    product = jax.jit(lambda a, b: a @ b)
    a, b = jax.numpy.array(a), jax.numpy.array(b)
    return lambda: product(a, b)


MATMUL = Workload(
    name="matmul",
    about="a @ b, square",
    sizes=(1024,),
    arrays=lambda rng, n: (normal(rng, n, n), normal(rng, n, n)),
    torch=_torch,
    jax=_jax,
    numpy=lambda np, a, b: lambda: a @ b,
    grad=False,
    flops=lambda n: 2 * n**3,
    elements=lambda n: n**2,
    bars={1024: Bar(1 / 0.9, "sgemm")},
)
