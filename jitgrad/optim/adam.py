"""`Adam` and `AdamW`."""

from jitgrad.optim.optimizer import Optimizer, at_least, filled, unsupported


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015), as PyTorch defines it.

    g += weight_decay p (`decoupled_weight_decay`: p *= 1 - lr weight_decay instead);
    m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;
    p -= lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps). `amsgrad` divides by the
    largest v so far. `foreach` and `fused` may be given and change nothing: the updates of all
    parameters are always fused.

    >>> import jitgrad as jg
    >>> p = jg.nn.Parameter(jg.ones(1))
    >>> optimizer = Adam([p], lr=0.5)
    >>> p.grad = jg.tensor([3.0])
    >>> optimizer.step()
    >>> round(p.item(), 4)
    0.5
    """

    _switches = ("weight_decay", "decoupled_weight_decay", "amsgrad", "maximize")

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0,
        amsgrad=False,
        *,
        foreach=None,
        maximize=False,
        capturable=False,
        differentiable=False,
        fused=None,
        decoupled_weight_decay=False,
    ):
        unsupported(self, capturable=capturable, differentiable=differentiable)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _check(self, group):
        at_least(0.0, learning_rate=group["lr"])
        at_least(0.0, epsilon_value=group["eps"])
        for index, beta in enumerate(group["betas"]):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {index}: {beta}")
        at_least(0.0, weight_decay_value=group["weight_decay"])

    def _start(self, param, state, group):
        state["exp_avg"] = filled(param)
        state["exp_avg_sq"] = filled(param)
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = filled(param)

    def _numbers(self, group, step):
        beta1, beta2 = group["betas"]
        lr, decay = group["lr"], group["weight_decay"]
        if group["decoupled_weight_decay"]:
            decay = 1 - lr * decay
        # A product with 1 / sqrt(1 - beta2^t), where PyTorch divides: a division less an element.
        correction = 1 / (1 - beta2**step) ** 0.5
        rate = lr / (1 - beta1**step)
        return 1 - beta1, beta2, 1 - beta2, rate, correction, group["eps"], decay

    def _update(self, param, grad, state, group, numbers):
        new1, old2, new2, rate, correction, eps, decay = numbers
        if group["weight_decay"] != 0:
            if group["decoupled_weight_decay"]:
                param.copy_(param * decay)
            else:
                grad = grad + param * decay
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        mean.copy_(mean + (grad - mean) * new1)
        square.copy_(square * old2 + grad * grad * new2)
        if group["amsgrad"]:
            largest = state["max_exp_avg_sq"]
            largest.copy_(largest.maximum(square))
            square = largest
        param.copy_(param - mean / (square.sqrt() * correction + eps) * rate)


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019).

    >>> import jitgrad as jg
    >>> p = jg.nn.Parameter(jg.ones(1))
    >>> optimizer = AdamW([p], lr=0.5, weight_decay=0.5)
    >>> p.grad = jg.tensor([3.0])
    >>> optimizer.step()
    >>> round(p.item(), 4)
    0.25
    """

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=1e-2,
        amsgrad=False,
        *,
        maximize=False,
        foreach=None,
        capturable=False,
        differentiable=False,
        fused=None,
    ):
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            foreach=foreach,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )
