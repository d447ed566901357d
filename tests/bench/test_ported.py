"""A function written for jitgrad with PyTorch's modules: what is carried over, what is not."""

import numpy as np
import pytest

import jitgrad
import jitgrad as jg
from jitgrad import bench, nn
from jitgrad.bench.ported import Unported, ported

torch = pytest.importorskip("torch")

SCALE = jg.tensor([1.0, 2.0, 3.0])
SHIFT = jg.tensor(0.25)
TABLE = {"k": [2, (0.5, None)]}


def _helper(x):
    return jg.relu(x) * TABLE["k"][0]


class _Net(nn.Module):
    pass


def _calls_a_layer():
    net = nn.Linear(2, 2)
    return lambda x: net(x)


def test_globals_closures_helpers_and_defaults():
    weight = jg.tensor([[1.0, -1.0, 2.0]], requires_grad=True)

    def work(x, shift=SHIFT):
        y = nn.functional.gelu(_helper(x) @ weight.t() + SCALE.sum() + shift, approximate="tanh")
        return [jitgrad.softmax(row, 0) for row in (y, y.to(jg.float64))]

    x = jg.randn(4, 3)
    copy, args = ported(work, (x,))
    for theirs, ours in zip(copy(*args), work(x), strict=True):
        assert type(theirs) is torch.Tensor
        assert str(theirs.dtype).removeprefix("torch.") == str(ours.dtype).removeprefix("jitgrad.")
        np.testing.assert_allclose(theirs.detach().numpy(), ours.detach().numpy(), 1e-5)
    assert work.__globals__ is globals() and type(SCALE) is jg.Tensor  # untouched


def test_gradients_and_state_are_its_own():
    w = jg.ones(3, requires_grad=True)

    def step(x):
        w.grad = None
        (w * x).sum().backward()
        with jg.no_grad():
            w.sub_(w.grad)
        return w

    copy, args = ported(step, (jg.ones(3),))
    assert copy(*args).tolist() == [0, 0, 0]
    assert w.tolist() == [1, 1, 1] and w.grad is None


def test_recursion_and_functions_inside():
    def power(x, n):
        return x if n == 1 else power(x, n - 1) * (lambda t: jg.exp(t))(x)

    copy, args = ported(power, (jg.ones(2), 3))
    np.testing.assert_allclose(copy(*args).numpy(), power(jg.ones(2), 3).numpy(), 1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_calls_a_layer, "net is jitgrad's Linear"),
        (lambda: lambda x: _Net(), "_Net is a subclass of jitgrad's Module"),
        (lambda: nn.ReLU(), "it is a ReLU, not a plain function"),
        (lambda: lambda x: jitgrad.debug.explain(x), None),
    ],
)
def test_what_cannot_be_carried_over(make, message):
    if message is None:  # found out only when it runs
        found = bench.compare(make(), jg.ones(2), modes=["torch"], seconds=0.01)
        assert "AttributeError" in found["torch"].failed
    else:
        with pytest.raises(Unported, match=message):
            ported(make(), ())


def test_it_is_timed_beside_the_modes():
    before = torch.get_num_threads()
    found = bench.compare(lambda x: jg.exp(x).sum(), jg.ones(100), seconds=0.05)
    assert list(found.timings) == ["eager", "lazy", "compiled", "torch"]
    assert found["torch"].failed == "" and found["torch"].kernels == 0
    assert found["torch"].first > 0 and found["torch"].warm.best > 0
    assert found["torch"].warm.runs >= bench.clock.LEAST
    assert str(found).splitlines()[-1].split()[0] == "torch"
    assert torch.get_num_threads() == before


def test_what_imports_jitgrad_itself_is_not_called_torchs():
    def work(x):
        import jitgrad

        return jitgrad.ones(2)

    found = bench.compare(work, jg.ones(2), modes=["torch"], seconds=0.01)
    assert found["torch"].failed == "not run: it imports jitgrad itself"
