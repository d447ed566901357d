"""`debug.nan`: the first operation that gives NaN or an infinity is named with its line."""

import numpy as np
import pytest

import jitgrad as jg


@pytest.fixture(params=["eager", "lazy"])
def mode(request):
    with jg.mode(request.param):
        yield request.param


def _caught(work):
    with pytest.raises(FloatingPointError) as found, jg.debug.nan():
        work()
    return str(found.value)


def test_an_op_deep_inside_a_fused_kernel(mode):
    x = jg.tensor([1.0, 4.0, -9.0])

    def work():
        y = (x * 2).sqrt()  # here
        return (y + 1).tanh().tolist()

    line = work.__code__.co_firstlineno + 1
    assert _caught(work) == (
        f"sqrt at {__file__}:{line} gave 1 nan among 3 elements, the first at [2], from -18"
    )


def test_infinities_by_overflow_and_division(mode):
    x = jg.tensor([[1.0, 0.0], [0.0, 0.0]])
    assert " gave 3 inf among 4 elements, the first at [0, 1], from 2 and 0" in _caught(
        lambda: (2 / x).sum(1).tolist()
    )
    assert "exp at" in _caught(lambda: (x + 100).exp().tolist())
    with jg.debug.nan(inf=False):
        assert (2 / x)[0].tolist() == [2.0, np.inf]


def test_a_reduction_and_a_product_tell_the_range_of_their_operands():
    x = jg.full((2, 3), 3e38)
    assert "sum at" in _caught(lambda: x.sum(1).tolist())
    message = _caught(lambda: (x @ x.t()).tolist())
    assert message.startswith("matmul at") and "from f32[2,3] in [3e+38, 3e+38]" in message


def test_gradients_name_the_line_of_the_forward():
    w = jg.zeros(3, requires_grad=True)

    def work():
        loss = w.sqrt().sum()  # its gradient at 0 is infinite
        loss.backward()
        w.grad.tolist()

    line = work.__code__.co_firstlineno + 1
    message = _caught(work)
    assert f"{__file__}:{line} (grad of sqrt) gave 3 inf" in message


def test_masks_raise_nothing_but_an_empty_row_does(mode):
    scores = jg.ones(2, 3)
    mask = jg.tensor([[True, False, True], [False, False, True]])
    with jg.debug.nan():
        masked = scores.masked_fill(mask, float("-inf"))
        assert masked.tolist()[0][1] == 1
        assert masked.softmax(1).sum().item() == 2
        assert (masked.realize() * 1).softmax(1).sum().item() == 2
    full = jg.ones(2, 3).bool()
    assert " nan among " in _caught(
        lambda: scores.masked_fill(full, float("-inf")).softmax(1).tolist()
    )


def test_nan_that_was_given(mode):
    x = jg.tensor([1.0, float("nan")]).realize()
    message = _caught(lambda: (x * 2).tolist())
    assert "is an input that holds 1 nan among 2 elements, the first at [1]" in message


def test_nothing_is_changed_by_what_raised():
    x = jg.tensor([1.0, 0.0])
    jg.flush_all()
    x[0] = 5.0
    y = 1 / x
    with pytest.raises(FloatingPointError), jg.debug.nan():
        jg.flush_all()
    assert x.tolist() == [5.0, 0.0]
    assert y.tolist() == [np.float32(0.2), np.inf]


def test_writes_in_place_that_are_fine_hold():
    x = jg.zeros(4)
    jg.flush_all()
    with jg.debug.nan():
        for i in range(4):
            x[i] = float("inf") if i == 3 else i  # written by the program itself
            jg.flush_all()
    assert x.tolist() == [0, 1, 2, np.inf]


def test_a_compiled_training_step():
    w = jg.ones(3, requires_grad=True)
    optimizer = jg.optim.SGD([w], lr=0.1)

    @jg.compile
    def step(x):
        optimizer.zero_grad()
        loss = (w * x).log().sum()
        loss.backward()
        optimizer.step()
        return loss

    with jg.debug.nan():
        for _ in range(4):
            step(jg.ones(3))
    before = w.tolist()
    bad = jg.tensor([1.0, -1.0, 1.0])
    message = _caught(lambda: step(bad))
    assert message.startswith("log at ") and ", from -" in message
    assert w.tolist() == before
    assert np.isfinite(step(jg.ones(3)).item())


def test_as_a_decorator_and_the_same_bits():
    @jg.debug.nan()
    def run():
        return (jg.linspace(0.1, 1, 50).log() * 3).sum().item()

    assert run() == run() == (jg.linspace(0.1, 1, 50).log() * 3).sum().item()


def test_index_errors_are_still_index_errors():
    index = jg.tensor([5])
    with jg.debug.nan(), pytest.raises(IndexError):
        jg.ones(3)[index].tolist()
