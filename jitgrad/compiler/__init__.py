"""How to compute: a pending graph becomes an ordered list of kernels, each readable Python.

Job: snapshot -> lower -> fuse -> plan -> source, all by structure alone: no size is ever looked
at, so one Schedule serves every size. Entry: `jitgrad.compiler.schedule.build`.
May import: kernels, ops, ir.
"""
