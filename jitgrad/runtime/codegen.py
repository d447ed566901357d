"""LLVM IR text -> object code: `object_code(text)`; `assembly`, `optimised` for those who look.

All of it is work of LLVM's, outside the GIL, in as few calls as there can be: a thread that comes
back from one has to wait for the GIL. Imports `machine` and `elf`; never Numba.
"""

import functools
import re

from llvmlite import binding as llvm

from . import elf, machine

_OUTSIDE = re.compile(r'^declare .*@(?!"?llvm\.)', re.MULTILINE)
target_machine = functools.cache(machine.target_machine)


@functools.cache
def _header():
    layout, triple = target_machine().target_data, llvm.get_process_triple()
    return f'target datalayout = "{layout}"\ntarget triple = "{triple}"\n'


def object_code(text, loops=True):
    """(object file, symbols it needs); without `loops`, no loop is transformed: far less work."""
    module = optimised(text, loops)
    if not _OUTSIDE.search(text):
        code = target_machine(near=True).emit_object(module)
        _, needs = elf.symbols(code)
        if not needs:  # LLVM may call the C library where it has no instruction
            return code, ()
    code = target_machine().emit_object(module)
    _, needs = elf.symbols(code)
    return code, tuple(sorted(needs))


def assembly(text, loops=True):
    """Assembly text of the same, as near code."""
    return target_machine(near=True).emit_assembly(optimised(text, loops))


def optimised(text, loops=True):
    """The optimised LLVM module."""
    module = llvm.parse_assembly(_header() + text)
    # Level 3 gives the same loops and takes up to twice the time.
    options = llvm.create_pipeline_tuning_options(2)
    options.loop_vectorization = True
    options.slp_vectorization = False
    options.loop_unrolling = True
    options.loop_interleaving = True
    builder = llvm.create_pass_builder(target_machine(), options)
    if loops:
        passes = builder.getModulePassManager()
    else:
        passes = llvm.create_new_module_pass_manager()
        passes.add_always_inliner_pass()
        passes.add_global_dead_code_eliminate_pass()
        passes.add_sroa_pass()
        passes.add_simplify_cfg_pass()
        passes.add_instruction_combine_pass()
    passes.run(module, builder)
    return module
