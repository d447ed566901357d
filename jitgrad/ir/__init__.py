"""The recorded graph: dtypes, ops, nodes, and the NumPy oracle that defines what they mean.

Job: describe computations without running them. Entry: `apply(op, inputs, attrs)`.
May import: nothing of jitgrad but itself.
"""
