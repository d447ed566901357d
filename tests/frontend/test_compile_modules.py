"""What `compile` makes of a Module is a Module, and stands for the one it was given."""

import abc
import copy
import functools
import gc
import weakref

import pytest

import jitgrad as jg
from jitgrad import nn
from jitgrad.frontend.compiling import PATIENCE
from tests.frontend.compiled import arrays, both


class Encoder(nn.Module):
    """A block with settings of several kinds."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.scale = 2.0
        self.settings = {"bias": 1.0}

    def forward(self, x):
        return self.layer(x).tanh() * self.scale + self.settings["bias"]

    def encode(self, x):
        return self.layer(x)


def _fill(module):
    with jg.no_grad():
        for p, a in zip(module.parameters(), arrays(9, (4, 4)), strict=False):
            p.copy_(jg.tensor(a)[0] if p.ndim == 1 else jg.tensor(a)[: p.shape[0]])
    return module


def _scale(model):
    model.block.scale = 3.0


def _settings(model):
    model.block.settings["bias"] = 0.0


def _layer(model):
    model.block.layer = nn.Linear(4, 4, bias=False)
    _fill(model)


def _hook(model):
    model.block.register_forward_hook(lambda module, inputs, y: y * 0.5)


def _weights(model):
    model.block.layer.weight.data.mul_(2)


@pytest.mark.parametrize("whole", [False, True], ids=["by itself", "inside a compiled step"])
@pytest.mark.parametrize("change", [_scale, _settings, _layer, _hook, _weights])
def test_a_compiled_part_of_a_model(change, whole):
    def scenario(run):
        model = nn.Sequential()
        model.block = _fill(Encoder())
        model.block = run.compile(model.block)
        optimizer = jg.optim.SGD(model.parameters(), lr=0.1)

        def step(x):
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        step = run.compile(step) if whole else step
        for i, a in enumerate(arrays(8)):
            if i == 4:
                change(model)
            run.see(step(jg.tensor(a)), dict(model.state_dict()))

    assert both(scenario).replays


def test_it_shares_all_that_the_module_holds():
    block = Encoder()
    compiled = jg.compile(block)
    model = nn.Sequential(compiled, nn.ReLU())
    assert isinstance(compiled, Encoder)
    assert list(model.state_dict()) == ["0.layer.weight", "0.layer.bias"]
    assert list(compiled.parameters()) == list(block.parameters())
    model.eval()
    assert not (compiled.training or block.training)
    compiled.scale = 5.0
    del compiled.settings
    assert block.scale == 5.0 and not hasattr(block, "settings")
    model.double()
    assert block.layer.weight.dtype == jg.float64
    assert compiled.encode(jg.ones(1, 4).double()).shape == (1, 4)
    assert repr(compiled) == "<compiled Encoder>"


def test_copies_are_apart():
    compiled = jg.compile(Encoder())
    twin = copy.deepcopy(compiled)
    x = jg.ones(2, 4)
    for _ in range(3):
        before = compiled(x).tolist()
        assert twin(x).tolist() == before
    with jg.no_grad():
        twin.layer.weight.zero_()
    assert compiled(x).tolist() == before != twin(x).tolist()


def test_compiled_twice_and_let_go():
    block = Encoder()
    compiled = jg.compile(jg.compile(block))
    assert compiled._fn is block
    weak = weakref.ref(compiled)
    compiled(jg.ones(1, 4))
    del compiled
    gc.collect()
    assert weak() is None


def test_classes_that_do_things_when_they_are_derived_from():
    heard = []

    class Base(nn.Module, abc.ABC):
        def __init_subclass__(cls, **kwargs):
            heard.append(cls.__name__)

        @abc.abstractmethod
        def forward(self, x):
            """What a block does."""

    class Block(Base):
        def forward(self, x):
            return x * 2

    compiled = jg.compile(Block())
    assert [compiled(jg.ones(1) * i).item() for i in range(3)] == [0.0, 2.0, 4.0]
    assert heard == ["Block"] and isinstance(compiled, Base)


def test_arguments_of_pytorch_and_others():
    taken = [
        {"fullgraph": False, "options": None},
        {"fullgraph": True, "dynamic": True},
        {"dynamic": False, "mode": "default"},
        {"mode": "reduce-overhead", "backend": "inductor", "disable": False},
    ]
    for settings in taken:
        assert jg.compile(Encoder(), **settings)(jg.ones(1, 4)).shape == (1, 4)
    refused = {
        "mode='max-autotune' is not supported: .* leave it out": {"mode": "max-autotune"},
        "backend='aot_eager' is not supported: .* leave it out": {"backend": "aot_eager"},
        "dynamic=1 is not supported: it is True, False or None": {"dynamic": 1},
        "disable=True is not supported: call the function itself": {"disable": True},
    }
    for message, settings in refused.items():
        with pytest.raises(NotImplementedError, match=f"compile: {message}"):
            jg.compile(Encoder(), **settings)
    with pytest.raises(TypeError, match="unexpected keyword argument 'fallbck'"):
        jg.compile(Encoder(), fallbck=None)
    with pytest.raises(ValueError, match="fullgraph=True allows no lazy runs, fallback=True asks"):
        jg.compile(Encoder(), fullgraph=True, fallback=True)


def test_fullgraph_raises_where_it_would_run_lazily():
    def stepped(x):
        return x * next(numbers)

    numbers = iter(range(100))
    lazily = jg.compile(stepped)
    assert [lazily(jg.ones(1)).item() for _ in range(3)] == [0.0, 1.0, 2.0]
    compiled = jg.compile(fullgraph=True)(stepped)
    for _ in range(PATIENCE - 1):  # a second recording may turn out better
        compiled(jg.ones(1))
    for _ in range(3):  # never lazily, however often it is called
        with pytest.raises(RuntimeError, match="stepped cannot be run without Python: .*fullgraph"):
            compiled(jg.ones(1))
    assert copy.deepcopy(jg.compile(Encoder(), fullgraph=True))._full


def test_async_functions_are_refused():
    async def served(x):
        return x * 2

    async def streamed(x):
        yield x * 2

    class Served(nn.Module):
        async def forward(self, x):
            return x * 2

    for fn in (served, streamed, functools.partial(served, 1), Served()):
        with pytest.raises(TypeError, match="is an `async def`, .* compile the plain functions"):
            jg.compile(fn)


def test_a_module_with_slots():
    class Scaled(jg.nn.Module):
        __slots__ = ("gain",)

        def __init__(self):
            super().__init__()
            self.gain = 2.0

        def forward(self, x):
            return x * self.gain

    net = Scaled()
    compiled = jg.compile(net)
    for gain in (2.0, 2.0, 2.0, 3.0, 3.0, 3.0):
        net.gain = gain
        assert compiled.gain == gain
        assert compiled(jg.ones(2)).tolist() == [gain] * 2
    assert compiled._active is not None
    compiled.gain = 5.0
    assert net.gain == 5.0
    assert compiled(jg.ones(2)).tolist() == [5.0] * 2
    del compiled.gain
    with pytest.raises(AttributeError, match="gain"):
        compiled(jg.ones(2))
