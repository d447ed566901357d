"""Moving a Module's tensors to another dtype or device, in place. Base of Module."""

import jitgrad as jg
from jitgrad.nn.modules._registry import Registry


class Convert(Registry):
    """`to` and its short forms."""

    def _apply(self, fn, recurse=True):
        """Replace every parameter, gradient and buffer by `fn` of it; the objects stay the same."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for parameter in self._parameters.values():
            if parameter is None:
                continue
            grad = parameter.grad
            with jg.no_grad():
                parameter.grad = None
                parameter.data = fn(parameter)
                if grad is not None:
                    parameter.grad = fn(grad)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        self._bump()
        return self

    def to(self, *args, **kwargs):
        """`to(device)`, `to(dtype)`, `to(device, dtype)`, `to(tensor)`; integers keep their dtype.

        >>> import jitgrad as jg
        >>> jg.nn.Linear(2, 2).to(jg.float64).weight.dtype == jg.float64
        True
        """
        device, dtype = _target(*args, **kwargs)
        if dtype is not None and not dtype.is_floating_point:
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, "
                f"but got desired {dtype=}"
            )

        def convert(tensor):
            options = {} if device is None else {"device": device}
            if dtype is not None and tensor.is_floating_point():
                options["dtype"] = dtype
            return tensor.to(**options) if options else tensor

        return self._apply(convert)

    def type(self, dst_type):
        """All parameters and buffers to one dtype."""
        return self._apply(lambda tensor: tensor.to(dst_type))

    def float(self):
        """All floating parameters and buffers to float32."""
        return self._apply(lambda t: t.float() if t.is_floating_point() else t)

    def double(self):
        """All floating parameters and buffers to float64."""
        return self._apply(lambda t: t.double() if t.is_floating_point() else t)

    def half(self):
        """All floating parameters and buffers to float16."""
        return self._apply(lambda t: t.half() if t.is_floating_point() else t)

    def bfloat16(self):
        """All floating parameters and buffers to bfloat16."""
        return self._apply(lambda t: t.bfloat16() if t.is_floating_point() else t)

    def cpu(self):
        """All parameters and buffers to the CPU."""
        return self._apply(lambda tensor: tensor.cpu())

    def cuda(self, device=None):
        """All parameters and buffers to a CUDA device."""
        return self._apply(lambda tensor: tensor.cuda(device))

    def to_empty(self, *, device, recurse=True):
        """All parameters and buffers to a device, without their values."""
        return self._apply(lambda t: jg.empty_like(t, device=device), recurse=recurse)


def _target(*args, device=None, dtype=None, non_blocking=False, memory_format=None):
    """(device, dtype) of `Module.to`'s forms. `non_blocking` has no meaning for one device."""
    if memory_format is not None:
        raise NotImplementedError("Module.to: memory_format")
    for argument in args:
        if isinstance(argument, jg.Tensor):
            device, dtype = argument.device, argument.dtype
        elif isinstance(argument, jg.dtype):
            dtype = argument
        elif argument is not None and not isinstance(argument, bool):  # bool: non_blocking
            device = argument
    return device, dtype
