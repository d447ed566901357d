"""`Adagrad`."""

from jitgrad.optim.optimizer import Optimizer, at_least, filled, unsupported


class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan and Singer, 2011), as PyTorch defines it.

    s += g^2;  p -= lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps). `foreach` and `fused` may be
    given and change nothing.

    >>> import jitgrad as jg
    >>> p = jg.nn.Parameter(jg.ones(1))
    >>> optimizer = Adagrad([p], lr=0.5)
    >>> p.grad = jg.tensor([3.0])
    >>> optimizer.step()
    >>> round(p.item(), 4)
    0.5
    """

    _switches = ("weight_decay", "maximize")

    def __init__(
        self,
        params,
        lr=1e-2,
        lr_decay=0,
        weight_decay=0,
        initial_accumulator_value=0,
        eps=1e-10,
        foreach=None,
        *,
        maximize=False,
        differentiable=False,
        fused=None,
    ):
        unsupported(self, differentiable=differentiable)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:  # PyTorch makes this state here, not at the first step
            for param in group["params"]:
                self._prepare(param, group)

    def _check(self, group):
        at_least(0.0, learning_rate=group["lr"])
        for name in ("lr_decay", "weight_decay", "initial_accumulator_value"):
            at_least(0.0, **{f"{name}_value": group[name]})
        at_least(0.0, epsilon_value=group["eps"])

    def _start(self, param, state, group):
        state["sum"] = filled(param, group["initial_accumulator_value"])

    def _numbers(self, group, step):
        rate = group["lr"] / (1 + (step - 1) * group["lr_decay"])
        return rate, group["eps"], group["weight_decay"]

    def _update(self, param, grad, state, group, numbers):
        rate, eps, decay = numbers
        if decay != 0:
            grad = grad + param * decay
        total = state["sum"]
        total.copy_(total + grad * grad)
        param.copy_(param - grad / (total.sqrt() + eps) * rate)
