"""What a Module holds and how attributes reach it: parameters, buffers, children. Base of Module.

Every change of structure or of an attribute bumps `_structure_version`, an integer that a compile
guard compares instead of reading the attributes again. (PyTorch's `_version` is another thing:
the version of a class's state_dict.) Writing into `_parameters` and its like directly goes unseen.
"""

from jitgrad.frontend import Tensor
from jitgrad.nn.parameter import Buffer, Parameter
from jitgrad.utils.hooks import OrderedHooks

_MISSING = object()
_HOOK_DICTS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


def typename(value):
    """The name of a value's type as error messages print it."""
    kind = type(value)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )


class Registry:
    """The dicts of a Module and the rules of attribute access."""

    call_super_init = False

    def __init__(self, *args, **kwargs):
        name = type(self).__name__
        if self.call_super_init is False and kwargs:
            key = next(iter(kwargs))
            raise TypeError(f"{name}.__init__() got an unexpected keyword argument '{key}'")
        if self.call_super_init is False and args:
            raise TypeError(
                f"{name}.__init__() takes 1 positional argument but {len(args) + 1} were given"
            )
        own = self.__dict__
        own["_structure_version"] = 0
        own["training"] = True
        own["_parameters"] = {}
        own["_buffers"] = {}
        own["_non_persistent_buffers_set"] = set()
        own["_modules"] = {}
        for hooks in _HOOK_DICTS:
            own[hooks] = OrderedHooks()
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def _bump(self):
        """Note a change; a guard that read the old number reads everything again."""
        own = self.__dict__
        own["_structure_version"] = own.get("_structure_version", 0) + 1

    def _check_name(self, what, name, held):
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {typename(name)}")
        if "." in name:
            raise KeyError(
                f'{what} name can\'t contain "."' + (f", got: {name}" * (what == "module"))
            )
        if name == "":
            raise KeyError(f'{what} name can\'t be empty string ""')
        if hasattr(self, name) and name not in held:
            raise KeyError(f"attribute '{name}' already exists")

    def register_buffer(self, name, tensor, persistent=True):
        """Add a tensor that is state but no parameter; `persistent`: part of `state_dict()`.

        >>> import jitgrad as jg
        >>> module = jg.nn.Module()
        >>> module.register_buffer("mean", jg.zeros(3))
        >>> list(module.state_dict())
        ['mean']
        """
        if "_buffers" not in self.__dict__:
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        self._check_name("buffer", name, self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{typename(tensor)}' object to buffer '{name}' "
                "(jitgrad Tensor or None required)"
            )
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)
        self._bump()

    def register_parameter(self, name, param):
        """Add a Parameter, or None for one that the Module could have and does not."""
        if "_parameters" not in self.__dict__:
            raise AttributeError("cannot assign parameter before Module.__init__() call")
        self._check_name("parameter", name, self._parameters)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{typename(param)}' object to parameter '{name}' "
                "(jitgrad.nn.Parameter or None required)"
            )
        if param is not None and not param.is_leaf:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be "
                f"created explicitly. To express '{name}' as a function of another Tensor, compute "
                "the value in the forward() method."
            )
        self._parameters[name] = param
        self._bump()

    def add_module(self, name, module):
        """Add a child Module under a name."""
        if module is not None and not isinstance(module, Registry):
            raise TypeError(f"{typename(module)} is not a Module subclass")
        if not isinstance(name, str):
            raise TypeError(f"module name should be a string. Got {typename(name)}")
        self._check_name("module", name, self._modules)
        self._modules[name] = module
        self._bump()

    def register_module(self, name, module):
        """The same as `add_module`."""
        self.add_module(name, module)

    def __getattr__(self, name):
        own = self.__dict__
        for held in ("_parameters", "_buffers", "_modules"):
            if held in own and name in own[held]:
                return own[held][name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name, value):
        own = self.__dict__
        if isinstance(value, Parameter):
            if "_parameters" not in own:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._forget(name, keep="_parameters")
            self.register_parameter(name, value)
        elif name in own.get("_parameters", ()):
            self._refuse(value, "parameter", name, "jitgrad.nn.Parameter or None")
            self.register_parameter(name, value)
        elif isinstance(value, Registry):
            if "_modules" not in own:
                raise AttributeError("cannot assign module before Module.__init__() call")
            self._forget(name, keep="_modules")
            self._put("_modules", name, value)
        elif name in own.get("_modules", ()):
            self._refuse(value, "child module", name, "jitgrad.nn.Module or None")
            self._put("_modules", name, value)
        elif isinstance(value, Buffer):
            if "_buffers" not in own:
                raise AttributeError("cannot assign buffer before Module.__init__() call")
            self._forget(name, keep="_buffers")
            self.register_buffer(name, value, value.persistent)
        elif name in own.get("_buffers", ()):
            if not isinstance(value, Tensor):
                self._refuse(value, "buffer", name, "jitgrad.nn.Buffer, jitgrad.Tensor or None")
            self._put("_buffers", name, value)
        else:
            if own.get(name, _MISSING) is not value:
                self._bump()
            object.__setattr__(self, name, value)

    def _refuse(self, value, what, name, expected):
        if value is not None:
            raise TypeError(
                f"cannot assign '{typename(value)}' as {what} '{name}' ({expected} expected)"
            )

    def _put(self, held, name, value):
        held = self.__dict__[held]
        if held.get(name, _MISSING) is not value:
            held[name] = value
            self._bump()

    def _forget(self, name, keep):
        """Drop what stood under `name` before, so that a name is one thing only."""
        own = self.__dict__
        for held in (own, own["_parameters"], own["_buffers"], own["_modules"]):
            if held is not own[keep]:
                held.pop(name, None)
        own["_non_persistent_buffers_set"].discard(name)

    def __delattr__(self, name):
        for held in (self._parameters, self._buffers, self._modules):
            if name in held:
                del held[name]
                self._non_persistent_buffers_set.discard(name)
                break
        else:
            object.__delattr__(self, name)
        self._bump()

    def __dir__(self):
        names = {*dir(type(self)), *self.__dict__}
        names.update(self._parameters, self._buffers, self._modules)
        return sorted(name for name in names if not name[:1].isdigit())
