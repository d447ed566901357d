"""What is generated for the device alone, run by this machine against the Python twins."""

import ctypes

import llvmlite.binding as llvm
import numpy as np
import pytest
from llvmlite import ir

from jitgrad.kernels import arith
from jitgrad.runtime import cuda_compile

pytestmark = pytest.mark.skipif(
    bool(cuda_compile.missing()), reason=f"not installed: {cuda_compile.missing()}"
)
DIVISIONS = ["_floor_divide_int", "_remainder_int", "_trunc_divide_int", "_fmod_int"]
TYPES = [np.int8, np.uint8, np.int16, np.int32, np.int64]


def numbers(dtype):
    """Those around the ends and zero, and some between."""
    limits = np.iinfo(dtype)
    around = [limits.min, limits.min + 1, *range(-5, 6), limits.max - 1, limits.max]
    drawn = np.random.default_rng(0).integers(limits.min, limits.max, 60).tolist()
    return [n for n in (*around, *drawn) if n >= limits.min]


@pytest.fixture
def compiled():
    """What generates one integer from two -> a function that this machine runs."""
    engines = []

    def build(generate, signed, bits):
        kind = ir.IntType(bits)
        module = ir.Module()
        function = ir.Function(module, ir.FunctionType(kind, [kind] * 2), "f")
        builder = ir.IRBuilder(function.append_basic_block())
        builder.ret(generate(builder, *function.args))
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_default_triple().create_target_machine()
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(str(module)), machine)
        engine.finalize_object()
        engines.append(engine)
        word = getattr(ctypes, f"c_int{bits}" if signed else f"c_uint{bits}")
        return ctypes.CFUNCTYPE(word, word, word)(engine.get_function_address("f"))

    return build


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", DIVISIONS)
def test_division(name, dtype, compiled):
    from jitgrad.kernels.arith_cuda import FINISHES, divided

    signed, bits = dtype is not np.uint8, np.iinfo(dtype).bits
    device = compiled(lambda b, x, y: divided(b, signed, x, y, FINISHES[name]), signed, bits)
    twin = getattr(arith, name)
    with np.errstate(all="ignore"):
        for x in numbers(dtype):
            for y in numbers(dtype):
                assert device(x, y) == twin(dtype(x), dtype(y)), (x, y)
