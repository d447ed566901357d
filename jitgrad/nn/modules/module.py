"""`Module`, the base of every layer and network."""

from jitgrad.nn.modules._convert import Convert
from jitgrad.nn.modules._state import State
from jitgrad.nn.modules._walk import Walk


class Module(State, Walk, Convert):
    """A layer or network: holds parameters, buffers and Modules, and computes in `forward`.

    >>> import jitgrad as jg
    >>> class Scale(jg.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.gain = jg.nn.Parameter(jg.ones(1))
    ...     def forward(self, x):
    ...         return x * self.gain
    >>> Scale()(jg.tensor([2.0])).tolist()
    [2.0]
    """

    def forward(self, *args):
        """What the Module computes; every subclass overrides it."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def train(self, mode=True):
        """Switch this module and all below it to training behaviour (Dropout and its like)."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self):
        """Switch to evaluation behaviour: `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad=True):
        """Whether gradients are recorded for the parameters."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none=True):
        """Forget the gradients of all parameters, or fill them with zeros."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None  # not read: a compiled step is the same with and without one
            elif parameter.grad is not None:
                parameter.grad = parameter.grad.detach().zero_()

    def share_memory(self):
        """Not supported: tensors stay in their process."""
        raise NotImplementedError("Module.share_memory")

    def _get_name(self):
        return type(self).__name__

    def extra_repr(self):
        """What `repr` shows between the parentheses; override."""
        return ""

    def __repr__(self):
        extra = self.extra_repr()
        head = extra.split("\n") if extra else []
        children = [f"({name}): {_indent(repr(module))}" for name, module in self._modules.items()]
        lines = head + children
        if not lines:
            inside = ""
        elif len(head) == 1 and not children:
            inside = head[0]
        else:
            inside = "\n  " + "\n  ".join(lines) + "\n"
        return f"{self._get_name()}({inside})"


def _indent(text):
    first, *rest = text.split("\n")
    return "\n".join([first, *("  " + line for line in rest)])
