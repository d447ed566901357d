"""Arguments, modes and everything else about a call itself."""

import numpy as np

import jitgrad as jg
from tests.guards.running import BEFORE, case


def _values(i, *shape):
    return jg.tensor(np.random.default_rng(i).standard_normal(shape or (4,)).astype(np.float32))


def _before_after(before, after):
    return lambda i: before(i) if i < BEFORE else after(i)


def _nothing():
    """The change is in the calls themselves."""


@case("dtype of argument x: jitgrad.float32 -> jitgrad.float64")
def the_dtype_of_an_argument(compile):
    f = compile(lambda x: (x * 1.1).sum())
    return _before_after(lambda i: f(_values(i)), lambda i: f(_values(i).double())), _nothing


@case("shape of argument x: (4,) -> (7,)")
def the_size_of_an_argument(compile):
    f = compile(lambda x: (x * 1.1).sum())
    return _before_after(lambda i: f(_values(i)), lambda i: f(_values(i, 7))), _nothing


@case("shape of argument x: (4,) -> (1,)")
def a_size_of_one(compile):
    f = compile(lambda x: x + jg.arange(4.0))
    return _before_after(lambda i: f(_values(i)), lambda i: f(_values(i, 1))), _nothing


@case("layout of argument x")
def the_layout_of_an_argument(compile):
    f = compile(lambda x: x.cumsum(0) * 2)
    return _before_after(lambda i: f(_values(i, 4, 4)), lambda i: f(_values(i, 4, 4).T)), _nothing


@case("argument k: 2 -> 3")
def a_number_given_as_argument(compile):
    f = compile(lambda x, k: x * k)
    return _before_after(lambda i: f(_values(i), 2), lambda i: f(_values(i), 3)), _nothing


@case("argument t: 0.5 -> any number")
def a_float_given_as_argument(compile):
    f = compile(lambda x, t: x * t)
    return _before_after(lambda i: f(_values(i), 0.5), lambda i: f(_values(i), 0.5 + i)), _nothing


@case("argument mode: mean -> sum")
def a_keyword_argument(compile):
    f = compile(lambda x, mode: x.mean() if mode == "mean" else x.sum())
    return _before_after(
        lambda i: f(_values(i), mode="mean"), lambda i: f(_values(i), mode="sum")
    ), _nothing


@case("length of argument xs: 2 -> 3")
def a_tensor_more_in_an_argument(compile):
    f = compile(lambda xs: sum(xs))
    return _before_after(
        lambda i: f([_values(i), _values(i + 1)]), lambda i: f([_values(i + k) for k in range(3)])
    ), _nothing


@case("argument options['gain']: 2.0 -> 3.0")
def a_number_in_a_dict_argument(compile):
    f = compile(lambda x, options: x * options["gain"])
    return _before_after(
        lambda i: f(_values(i), {"gain": 2.0}), lambda i: f(_values(i), {"gain": 3.0})
    ), _nothing


@case("argument scale")
def an_array_given_as_argument(compile):
    scale = np.ones(4, np.float32)
    f = compile(lambda x, scale: x * jg.tensor(scale))
    return lambda i: f(_values(i), scale), lambda: scale.fill(3.0)


@case("which arguments share memory")
def arguments_that_become_one(compile):
    def add(x, y):
        x.add_(1)
        return x * y

    f = compile(add)

    def after(i):
        x = _values(i)
        return f(x, x), x

    return _before_after(lambda i: f(_values(i), _values(i + 1)), after), _nothing


@case("memory that an argument shares with a tensor of the function: no -> yes")
def an_argument_that_is_in_the_closure(compile):
    total = jg.zeros(4)

    def add(x):
        total.add_(1)
        return total * x

    f = compile(add)
    return _before_after(lambda i: f(_values(i)), lambda i: f(total)), _nothing


@case("history of argument x: no gradient -> a leaf that requires grad")
def requires_grad_of_an_argument(compile):
    def f(x):
        y = (x * x).sum()
        if y.requires_grad:
            y.backward()
        return y.detach()

    g = compile(f)

    def after(i):
        x = _values(i).requires_grad_()
        return g(x), x.grad

    return _before_after(lambda i: g(_values(i)), after), _nothing


@case("gradient mode: True -> False")
def gradients_switched_off(compile):
    w = jg.ones(4, requires_grad=True)

    @compile
    def f(x):
        y = x * w
        if y.requires_grad:
            y = y * 2
        return y.detach()

    return lambda i: f(_values(i)), lambda: jg.set_grad_enabled(False)


@case("gradient mode: True -> False")
def inference_mode(compile):
    f = compile(lambda x: x * 3 if jg.is_inference_mode_enabled() else x * 2)

    def after(i):
        with jg.inference_mode():
            return f(_values(i)).clone()

    return _before_after(lambda i: f(_values(i)), after), _nothing


@case("eager mode: False -> True")
def the_mode(compile):
    f = compile(lambda x: x * 2)
    return lambda i: f(_values(i)), lambda: jg.set_mode("eager")


@case("default dtype: jitgrad.float32 -> jitgrad.float64")
def the_default_dtype(compile):
    f = compile(lambda x: x + jg.ones(4))
    return lambda i: f(_values(i)), lambda: jg.set_default_dtype(jg.float64)


@case()
def the_number_of_threads(compile):
    f = compile(lambda x: (x * 1.1).sum())
    return lambda i: f(_values(i, 300, 300)), lambda: jg.set_num_threads(1)


@case()
def the_seed(compile):
    f = compile(lambda x: x + jg.rand(4))
    return lambda i: f(_values(i)), lambda: jg.manual_seed(17)


@case("argument self: another object -> <Thing>")
def another_object_of_a_method(compile):
    class Thing:
        def __init__(self, scale):
            self.scale = scale

        @compile
        def run(self, x):
            return x * self.scale

    first, second = Thing(2.0), Thing(5.0)
    return _before_after(
        lambda i: first.run(_values(i)), lambda i: second.run(_values(i))
    ), _nothing


@case("which lists or dicts are one: ")
def whether_two_lists_are_one(compile):
    f = compile(lambda x, a, b: x * (3.0 if a is b else 5.0) + sum(a) + sum(b))
    lists = [[1.0], [1.0]]

    def call(i):
        return f(jg.arange(4.0) + i, lists[0], lists[-1])

    return call, lambda: lists.pop()


@case("which lists or dicts are one: ")
def whether_one_list_is_two(compile):
    f = compile(lambda x, a, b: x * (3.0 if a["a"] is b["a"] else 5.0))
    inner = [1.0]
    dicts = [{"a": inner}, {"a": inner}]
    return lambda i: f(jg.arange(4.0) + i, *dicts), lambda: dicts[1].update(a=[1.0])
