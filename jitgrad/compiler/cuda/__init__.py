"""The same groups as CUDA kernels: what `compiler` writes for the CPU, over a grid of threads.

Job: graph, rewrites, fusion and loop nests are the CPU's; `DeviceWriter` writes the elements and
one file each the loops: `elements`, `rows`, `chunks`, `columns`, `routines`. The text is
`numba.cuda` source; `launch` says how it is run. Entry: `jitgrad.compiler.cuda.emit.CUDA`, a Target
of `compiler.schedule.build`. No GPU, no compiler and no `numba.cuda` is needed to write.
May import: compiler, kernels, ops, ir.
"""
