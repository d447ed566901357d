"""Optimizers, their groups and state, and schedulers."""

import jitgrad as jg
from tests.frontend.compiled import batches, network, state
from tests.guards.running import AFTER, BEFORE, case

PAIRS = list(batches(BEFORE + AFTER))


def training(compile, make=jg.optim.Adam, after=None, **settings):
    """A training step: (call, network, optimizer); `after(optimizer)` runs after each step."""
    net = network()
    optimizer = make(net.parameters(), **{"lr": 0.1, **settings})

    @compile
    def step(x, y):
        optimizer.zero_grad()
        loss = jg.nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    def call(i):
        loss = step(*PAIRS[i])
        if after is not None:
            after()
        return [loss, *state(net, optimizer)]

    return call, net, optimizer


def group(optimizer, **settings):
    """A change of the first group's settings."""
    return lambda: optimizer.param_groups[0].update(settings)


@case()
def the_learning_rate(compile):
    call, _, optimizer = training(compile)
    return call, group(optimizer, lr=0.01)


@case()
def a_scheduler_StepLR(compile):
    made = []
    call, _, optimizer = training(compile, after=lambda: made[0].step())
    made.append(jg.optim.lr_scheduler.StepLR(optimizer, 2))
    return call, lambda: None


@case()
def a_scheduler_LambdaLR(compile):
    made = []
    call, _, optimizer = training(compile, after=lambda: made[0].step())
    made.append(jg.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.9**epoch))
    return call, lambda: None


@case()
def a_scheduler_CosineAnnealingLR(compile):
    made = []
    call, _, optimizer = training(compile, after=lambda: made[0].step())
    made.append(jg.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5))
    return call, lambda: None


@case()
def the_betas_of_adam(compile):
    call, _, optimizer = training(compile)
    return call, group(optimizer, betas=(0.5, 0.9), eps=1e-3)


@case("weight_decay of Adam: False -> True")
def weight_decay_switched_on(compile):
    call, _, optimizer = training(compile)
    return call, group(optimizer, weight_decay=0.1)


@case()
def another_weight_decay(compile):
    call, _, optimizer = training(compile, weight_decay=0.1)
    return call, group(optimizer, weight_decay=0.2)


@case("nesterov of SGD: False -> True")
def nesterov(compile):
    call, _, optimizer = training(compile, jg.optim.SGD, momentum=0.9)
    return call, group(optimizer, nesterov=True)


@case("maximize of SGD: False -> True")
def maximize(compile):
    call, _, optimizer = training(compile, jg.optim.SGD)
    return call, group(optimizer, maximize=True)


@case("groups of SGD")
def a_parameter_group_added(compile):
    extra = jg.ones(3, requires_grad=True)
    call, _, optimizer = training(compile, jg.optim.SGD)
    extra.grad = jg.ones(3)

    def change():
        optimizer.add_param_group({"params": [extra], "lr": 0.5})

    return lambda i: [*call(i), extra.detach()], change


@case("parameters of SGD")
def a_parameter_taken_out(compile):
    call, _, optimizer = training(compile, jg.optim.SGD)
    return call, lambda: optimizer.param_groups[0]["params"].pop()


@case("groups of Adam[0]")
def a_state_loaded(compile):
    call, _, optimizer = training(compile)
    return call, lambda: optimizer.load_state_dict(optimizer.state_dict())


@case()
def the_weights_loaded(compile):
    call, net, _ = training(compile)
    return call, lambda: net.load_state_dict({k: v * 0.5 for k, v in net.state_dict().items()})


@case("requires_grad of self.weight")
def a_layer_frozen(compile):
    call, net, _ = training(compile)

    def change():
        net[0].weight.requires_grad_(False)
        net[0].weight.grad = None

    return call, change
