"""`RMSprop`."""

from jitgrad.optim.optimizer import Optimizer, at_least, filled, unsupported


class RMSprop(Optimizer):
    """RMSprop (Hinton, 2012), as PyTorch defines it.

    v = alpha v + (1 - alpha) g^2;  s = sqrt(v) + eps (`centered`: sqrt(v - a^2) + eps with a the
    running mean of g);  p -= lr g / s, or with momentum b = momentum b + g / s, p -= lr b.
    `foreach` may be given and changes nothing.

    >>> import jitgrad as jg
    >>> p = jg.nn.Parameter(jg.ones(1))
    >>> optimizer = RMSprop([p], lr=0.05)
    >>> p.grad = jg.tensor([3.0])
    >>> optimizer.step()
    >>> round(p.item(), 4)
    0.5
    """

    _switches = ("weight_decay", "momentum", "centered", "maximize")

    def __init__(
        self,
        params,
        lr=1e-2,
        alpha=0.99,
        eps=1e-8,
        weight_decay=0,
        momentum=0,
        centered=False,
        capturable=False,
        foreach=None,
        maximize=False,
        differentiable=False,
    ):
        unsupported(self, capturable=capturable, differentiable=differentiable)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _check(self, group):
        at_least(0.0, learning_rate=group["lr"])
        at_least(0.0, epsilon_value=group["eps"])
        for name in ("momentum", "weight_decay", "alpha"):
            at_least(0.0, **{f"{name}_value": group[name]})

    def _start(self, param, state, group):
        state["square_avg"] = filled(param)
        if group["momentum"] > 0:
            state["momentum_buffer"] = filled(param)
        if group["centered"]:
            state["grad_avg"] = filled(param)

    def _numbers(self, group, step):
        alpha = group["alpha"]
        lr, eps, momentum, decay = (group[k] for k in ("lr", "eps", "momentum", "weight_decay"))
        return lr, alpha, 1 - alpha, eps, momentum, decay

    def _update(self, param, grad, state, group, numbers):
        lr, old, new, eps, momentum, decay = numbers
        if decay != 0:
            grad = grad + param * decay
        square = state["square_avg"]
        square.copy_(square * old + grad * grad * new)
        variance = square
        if group["centered"]:
            mean = state["grad_avg"]
            mean.copy_(mean + (grad - mean) * new)
            variance = square - mean * mean
        change = grad / (variance.sqrt() + eps)
        if momentum > 0:
            buffer = state["momentum_buffer"]
            buffer.copy_(buffer * momentum + change)
            change = buffer
        param.copy_(param - change * lr)
