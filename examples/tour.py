"""Every stage of one expression: graph, gradient graph, fused kernels, source, timings.

Run `python examples/tour.py`; nothing of it is computed before the last stage.
"""

import jitgrad as torch
from jitgrad.debug.explaining import explain, timings


def main():
    """Print the stages one after the other."""
    x = torch.arange(12.0).reshape(3, 4)
    w = torch.full((4,), 0.5, requires_grad=True)
    b = torch.full((4,), -1.0, requires_grad=True)
    torch.flush_all()  # the leaves hold values now; what follows is only recorded

    loss = (x * w + b).tanh().square().mean()
    title("the graph: what was recorded")
    print(explain(loss).graph)

    loss.backward()
    gradients = explain(w.grad, b.grad)
    title("the gradient's graph: every rule recorded what it needs")
    print(gradients.graph)

    everything = explain(loss, w.grad, b.grad)
    title("the kernels: loss and gradients together")
    for name, combine, lines in everything.steps:
        print(f"{'combine' if combine else 'kernel':<8}{name}  <- {', '.join(lines)}")
    print("rewrites:", ", ".join(dict.fromkeys(everything.rewrites)) or "none")

    for name, source in everything.sources.items():
        title(f"the source of {name}")
        print(source.rstrip())

    title("the run: one native call, here kernel by kernel")
    for name, seconds in timings(loss, w.grad, b.grad):
        print(f"{seconds * 1e6:9.1f} µs  {name}")
    print("loss", loss.item())
    print("w.grad", w.grad)
    print("b.grad", b.grad)


def title(text):
    """A line that starts a stage."""
    print(f"\n== {text}")


if __name__ == "__main__":
    main()
