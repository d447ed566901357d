"""The structure and attributes of Modules."""

import numpy as np

import jitgrad as jg
from jitgrad import nn
from tests.frontend.compiled import network
from tests.guards.running import case


def _values(i, *shape):
    return jg.tensor(np.random.default_rng(i).standard_normal(shape).astype(np.float32))


def _forward(compile, net):
    """A call of `net` without gradients."""

    @compile
    def f(x):
        with jg.no_grad():
            return net(x)

    return lambda i: f(_values(i, 4, 6))


def _gradients(compile, net):
    """A call that leaves gradients."""

    @compile
    def f(x):
        net.zero_grad()
        loss = net(x).square().mean()
        if loss.requires_grad:
            loss.backward()
        return loss

    return lambda i: (f(_values(i, 4, 6)), [p.grad for p in net.parameters()])


@case("self._modules['1']: <Tanh> -> <ReLU>")
def a_module_swapped(compile):
    net = network()
    return _forward(compile, net), lambda: net.__setitem__(1, nn.ReLU())


@case("self._modules: 4 items -> 5 items")
def a_module_appended(compile):
    net = network()
    return _forward(compile, net), lambda: net.append(nn.Linear(3, 2, bias=False).requires_grad_())


@case("self.p: 0.5 -> 0.25")
def the_p_of_dropout(compile):
    net = network(dropout=0.5)
    return _forward(compile, net), lambda: setattr(net[2], "p", 0.25)


@case("self.training: True -> False")
def train_to_eval(compile):
    net = network(dropout=0.5)
    return _forward(compile, net), net.eval


@case("self.training: True -> False")
def eval_of_one_layer(compile):
    net = network(dropout=0.5)
    return _forward(compile, net), net[5].eval


@case("module._parameters['weight']")
def a_parameter_replaced(compile):
    net = network()

    def change():
        net[0].weight = nn.Parameter(jg.ones(5, 6) * 0.1)

    return _gradients(compile, net), change


@case("module._parameters['weight']")
def a_parameter_replaced_behind_the_module(compile):
    net = network()

    def change():
        net[0]._parameters["weight"] = nn.Parameter(jg.ones(5, 6) * 0.1)

    return _gradients(compile, net), change


@case("self._modules['1']: <Tanh> -> <Sigmoid>")
def a_module_swapped_behind_the_container(compile):
    net = network()
    return _forward(compile, net), lambda: net._modules.update({"1": nn.Sigmoid()})


@case("memory of self.weight")
def the_data_of_a_parameter(compile):
    net = network()
    return _gradients(compile, net), lambda: setattr(net[0].weight, "data", jg.ones(5, 6) * 0.1)


@case()
def the_values_of_a_parameter(compile):
    net = network()

    def change():
        with jg.no_grad():
            net[0].weight.mul_(2)

    return _gradients(compile, net), change


@case("self.bias")
def a_bias_removed(compile):
    net = network()
    return _forward(compile, net), lambda: setattr(net[0], "bias", None)


@case("module._parameters['weight']")
def a_tied_weight_untied(compile):
    net = nn.Sequential(nn.Linear(6, 6, bias=False), nn.Tanh(), nn.Linear(6, 6, bias=False))
    net[0].weight = nn.Parameter(_values(50, 6, 6))
    net[2].weight = net[0].weight

    def change():
        net[2].weight = nn.Parameter(_values(51, 6, 6))

    return _gradients(compile, net), change


@case("requires_grad of self.weight")
def requires_grad_of_a_parameter(compile):
    net = network()
    return _gradients(compile, net), lambda: net[0].weight.requires_grad_(False)


@case("hooks of self.weight")
def a_hook_on_a_parameter(compile):
    net = network()
    return _gradients(compile, net), lambda: net[0].weight.register_hook(lambda g: g * 2)


@case("self._forward_hooks")
def a_hook_on_a_module(compile):
    net = network()
    return _forward(compile, net), lambda: net[0].register_forward_hook(lambda m, x, y: y * 2)


@case("self._forward_pre_hooks")
def a_hook_before_a_module(compile):
    net = network()
    return _forward(compile, net), lambda: net[0].register_forward_pre_hook(
        lambda m, args: (args[0] * 2,)
    )


@case("self._forward_hooks")
def a_hook_removed(compile):
    net = network()
    handle = net[0].register_forward_hook(lambda m, x, y: y * 2)
    return _forward(compile, net), handle.remove


class Centred(nn.Module):
    """Subtracts a running mean, and in training moves it."""

    def __init__(self):
        super().__init__()
        self.momentum = 0.1
        self.register_buffer("mean", jg.zeros(6))

    def forward(self, x):
        if self.training:
            self.mean.mul_(1 - self.momentum).add_(x.mean(0) * self.momentum)
        return x - self.mean


@case()
def the_values_of_a_buffer(compile):
    net = Centred().eval()
    return _forward(compile, net), lambda: net.mean.fill_(0.5)


@case("self.mean")
def a_buffer_replaced(compile):
    net = Centred().eval()
    return _forward(compile, net), lambda: setattr(net, "mean", jg.ones(6))


@case("self.momentum: 0.1 -> 0.5")
def the_momentum_of_a_norm(compile):
    net = Centred()
    forward = _forward(compile, net)
    return lambda i: (forward(i), net.mean), lambda: setattr(net, "momentum", 0.5)


@case("self.forward")
def a_forward_replaced(compile):
    net = network()
    return _forward(compile, net), lambda: setattr(net[1], "forward", lambda x: x * 3)


@case("")
def gradients_set_to_none(compile):
    net = network()

    @compile
    def f(x):  # accumulates
        net(x).square().mean().backward()

    def call(i):
        f(_values(i, 4, 6))
        return [p.grad for p in net.parameters()]

    call(0)
    return call, net.zero_grad
