"""The text of `debug.explain` for one small expression; the golden file has this file's lines."""

import jitgrad as jg


def test_text(golden):
    x = jg.arange(12.0).reshape(3, 4)
    jg.flush_all()
    golden("explain.txt", f"{jg.debug.explain((x * 0.5 + 1).tanh().sum(1))}\n")
