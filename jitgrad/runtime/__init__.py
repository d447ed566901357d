"""Where kernels run: machine code and its disk cache, memory, threads, BLAS, the native program.

Job: from source text to a value in a buffer. Entry: `flush.flush`. May import: ir, ops, compiler.
"""
