"""Learning-rate schedules: PyTorch's sequences, order warnings, saving."""

import math

import pytest

import jitgrad as jg
from jitgrad.optim import SGD, lr_scheduler

CASES = [
    ("StepLR", {"step_size": 3, "gamma": 0.5}),
    ("LambdaLR", {"lr_lambda": lambda epoch: 0.9**epoch}),
    ("CosineAnnealingLR", {"T_max": 4, "eta_min": 0.1}),
]


def rates(optimizer, scheduler, count=10):
    out = []
    for _ in range(count):
        optimizer.step()
        out.append(optimizer.param_groups[0]["lr"])
        assert scheduler.get_last_lr() == [out[-1]]
        scheduler.step()
    return out


def optimizer(module=jg, lr=1.0):
    return module.optim.SGD([module.zeros(1, requires_grad=True)], lr=lr)


@pytest.mark.parametrize("name, options", CASES)
def test_equals_torch(name, options):
    torch = pytest.importorskip("torch", reason="PyTorch (torch) is not installed")
    ours, theirs = optimizer(), optimizer(torch)
    expected = rates(theirs, getattr(torch.optim.lr_scheduler, name)(theirs, **options))
    assert rates(ours, getattr(lr_scheduler, name)(ours, **options)) == pytest.approx(expected)


def test_cosine_formula():
    own = optimizer()
    scheduler = lr_scheduler.CosineAnnealingLR(own, T_max=5)
    expected = [(1 + math.cos(math.pi * t / 5)) / 2 for t in range(6)]
    assert rates(own, scheduler, 6) == pytest.approx(expected)


def test_state():
    own = optimizer()
    scheduler = lr_scheduler.StepLR(own, 2)
    rates(own, scheduler, 3)
    other = lr_scheduler.StepLR(optimizer(), 7)
    other.load_state_dict(scheduler.state_dict())
    assert (other.last_epoch, other.step_size) == (3, 2)


def test_resume_needs_the_initial_rate():
    with pytest.raises(KeyError, match="initial_lr"):
        lr_scheduler.StepLR(optimizer(), 1, last_epoch=3)


def test_order_warning_and_errors():
    scheduler = lr_scheduler.StepLR(optimizer(), 1)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        scheduler.step()
    with pytest.raises(NotImplementedError, match="epoch"):
        scheduler.step(3)
    with pytest.raises(TypeError, match="not an Optimizer"):
        lr_scheduler.StepLR(SGD, 1)
    with pytest.raises(ValueError, match="Expected 1 lr_lambdas, but got 2"):
        lr_scheduler.LambdaLR(optimizer(), [abs, abs])


def test_a_cosine_that_goes_on_keeps_the_rate_it_finds():
    """PyTorch's: the rate at a resume is that of the groups."""
    one = optimizer()
    one.param_groups[0].update(initial_lr=1.0, lr=0.3)
    scheduler = lr_scheduler.CosineAnnealingLR(one, T_max=10, last_epoch=3)
    assert scheduler.last_epoch == 4 and scheduler.get_last_lr() == [0.3]
    peer = pytest.importorskip("torch", reason="PyTorch (torch) is not installed")
    other = optimizer(peer)
    other.param_groups[0].update(initial_lr=1.0, lr=0.3)
    other = peer.optim.lr_scheduler.CosineAnnealingLR(other, T_max=10, last_epoch=3)
    for _ in range(15):
        for s in (scheduler, other):
            s.optimizer.step()
            s.step()
        assert scheduler.get_last_lr() == pytest.approx(other.get_last_lr(), abs=1e-12)
