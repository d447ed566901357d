"""`SGD`."""

from jitgrad.optim.optimizer import Optimizer, at_least, filled, unsupported


class SGD(Optimizer):
    """Stochastic gradient descent with momentum, as PyTorch defines it.

    g += weight_decay p;  b = momentum b + (1 - dampening) g (the first b is g);
    p -= lr b, or lr (g + momentum b) with `nesterov`. `foreach` and `fused` may be given and
    change nothing: the updates of all parameters are always fused.

    >>> import jitgrad as jg
    >>> p = jg.nn.Parameter(jg.ones(1))
    >>> optimizer = SGD([p], lr=0.25, momentum=0.5)
    >>> for _ in range(2):
    ...     p.grad = jg.ones(1)
    ...     optimizer.step()
    >>> p.tolist()
    [0.375]
    """

    _switches = ("weight_decay", "momentum", "nesterov", "maximize")

    def __init__(
        self,
        params,
        lr=1e-3,
        momentum=0,
        dampening=0,
        weight_decay=0,
        nesterov=False,
        *,
        maximize=False,
        foreach=None,
        differentiable=False,
        fused=None,
    ):
        unsupported(self, differentiable=differentiable)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def _check(self, group):
        at_least(0.0, learning_rate=group["lr"])
        for name in ("momentum", "weight_decay"):
            at_least(0.0, **{f"{name}_value": group[name]})

    def _start(self, param, state, group):
        # Zeros instead of PyTorch's copy of the first gradient: every step is the same kernel.
        state["momentum_buffer"] = filled(param) if group["momentum"] != 0 else None

    def _numbers(self, group, step):
        fresh = 1.0 if step == 1 else 1 - group["dampening"]
        return group["lr"], fresh, group["momentum"], group["weight_decay"]

    def _update(self, param, grad, state, group, numbers):
        lr, fresh, momentum, decay = numbers
        if decay != 0:
            grad = grad + param * decay
        if momentum != 0:
            if state.get("momentum_buffer") is None:
                state["momentum_buffer"], fresh = filled(param), 1.0
            buffer = state["momentum_buffer"]
            buffer.copy_(buffer * momentum + grad * fresh)
            grad = grad + buffer * momentum if group["nesterov"] else buffer
        param.copy_(param - grad * lr)
