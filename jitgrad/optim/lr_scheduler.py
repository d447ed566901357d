"""Learning-rate schedules: `StepLR`, `LambdaLR`, `CosineAnnealingLR`.

A schedule only writes the Python number `lr` of each group, so it compiles nothing.
"""

import math
import warnings

from jitgrad.frontend.hostscalar import refuse
from jitgrad.optim.optimizer import Optimizer


class LRScheduler:
    """The base: counts epochs and writes what `get_lr` returns into the groups."""

    def __init__(self, optimizer, last_epoch=-1):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.optimizer = optimizer
        for index, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    "param 'initial_lr' is not specified in "
                    f"param_groups[{index}] when resuming scheduler with last_epoch >= 0"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._before = optimizer._steps  # to warn of a wrong order
        self._step_count = 0
        self.step()

    def get_lr(self):
        """The rate of each group for `last_epoch`."""
        raise NotImplementedError

    def get_last_lr(self):
        """The rates written last."""
        return self._last_lr

    def step(self, epoch=None):
        """Go to the next epoch and write its rates."""
        if epoch is not None:
            raise NotImplementedError(f"{type(self).__name__}.step: epoch")
        refuse("scheduler.step()")
        if self._step_count == 1 and self.optimizer._steps == self._before:
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. Call them in "
                "the opposite order: `optimizer.step()` before `lr_scheduler.step()`, or the "
                "first value of the learning rate schedule is skipped.",
                stacklevel=2,
            )
        self._step_count += 1
        self.last_epoch += 1
        rates = list(self.get_lr())
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = rates

    def state_dict(self):
        """Everything but the optimizer and functions."""
        left_out = ("optimizer", "lr_lambdas")
        return {key: value for key, value in self.__dict__.items() if key not in left_out}

    def load_state_dict(self, state_dict):
        """Take back what `state_dict` gave."""
        self.__dict__.update(state_dict)


class StepLR(LRScheduler):
    """Multiplies the rate by gamma every `step_size` epochs.

    >>> import jitgrad as jg
    >>> optimizer = jg.optim.SGD([jg.zeros(1, requires_grad=True)], lr=1.0)
    >>> scheduler, rates = StepLR(optimizer, 2, gamma=0.5), []
    >>> for _ in range(5):
    ...     optimizer.step()
    ...     rates.append(scheduler.get_last_lr()[0])
    ...     scheduler.step()
    >>> rates
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(self, optimizer, step_size, gamma=0.1, last_epoch=-1):
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        """From the rates as they are, so that other changes of them are kept."""
        rates = [group["lr"] for group in self.optimizer.param_groups]
        if self.last_epoch == 0 or self.last_epoch % self.step_size:
            return rates
        return [rate * self.gamma for rate in rates]


class LambdaLR(LRScheduler):
    """The initial rate times a function of the epoch; one function, or a list with one a group.

    >>> import jitgrad as jg
    >>> optimizer = jg.optim.SGD([jg.zeros(1, requires_grad=True)], lr=1.0)
    >>> scheduler = LambdaLR(optimizer, lambda epoch: 0.5**epoch)
    >>> optimizer.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer, lr_lambda, last_epoch=-1):
        groups = len(optimizer.param_groups)
        lambdas = list(lr_lambda) if isinstance(lr_lambda, list | tuple) else [lr_lambda] * groups
        if len(lambdas) != groups:
            raise ValueError(f"Expected {groups} lr_lambdas, but got {len(lambdas)}")
        self.lr_lambdas = lambdas
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        """The initial rates times the functions at this epoch."""
        return [
            base * function(self.last_epoch)
            for base, function in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]


class CosineAnnealingLR(LRScheduler):
    """From the initial rate to eta_min along half a cosine in T_max epochs, and back.

    >>> import jitgrad as jg
    >>> optimizer = jg.optim.SGD([jg.zeros(1, requires_grad=True)], lr=1.0)
    >>> scheduler = CosineAnnealingLR(optimizer, T_max=2)
    >>> optimizer.step()
    >>> scheduler.step()
    >>> round(scheduler.get_last_lr()[0], 6)
    0.5
    """

    def __init__(self, optimizer, T_max, eta_min=0.0, last_epoch=-1):
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        """PyTorch's recursion, from the rates as they are."""
        rates = [group["lr"] for group in self.optimizer.param_groups]
        if self._step_count == 1:  # as the groups have it, also where a schedule goes on
            return rates
        epoch, period, low = self.last_epoch, self.T_max, self.eta_min
        if (epoch - 1 - period) % (2 * period) == 0:
            rise = (1 - math.cos(math.pi / period)) / 2
            return [r + (b - low) * rise for r, b in zip(rates, self.base_lrs, strict=True)]
        factor = (1 + math.cos(math.pi * epoch / period)) / (
            1 + math.cos(math.pi * (epoch - 1) / period)
        )
        return [factor * (rate - low) + low for rate in rates]
