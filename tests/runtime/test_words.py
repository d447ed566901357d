"""Integer code compiled without Numba does what Python does with it, or is refused by line."""

import numpy as np
import pytest

from jitgrad.runtime import build, program, words
from tests.runtime import samples

LOW, HIGH = -(1 << 63), (1 << 63) - 1
PAIRS = [(7, 2), (-7, 2), (7, -2), (-7, -2), (6, 3), (0, 5), (-1, 1 << 40), (HIGH, 3), (LOW, 7)]


class Words(samples.Kernel):
    """A kernel that says that it is words alone."""

    form = "words"


def kernel(lines, params=(("p", "i64*"), ("n", "i64"))):
    """A kernel `words` whose body is these lines."""
    names = ", ".join(["error", *(name for name, _ in params), "lo", "hi", "scratch"])
    body = "".join(f"    {line}\n" for line in lines.strip().splitlines())
    return Words("words", f"import numpy as np\ndef words({names}):\n{body}", tuple(params))


def outcome(lines, values, n=0):
    """What the body leaves in p, run as machine code; it is what Python leaves there."""
    source = kernel(lines)
    found, expected = (np.array(values, np.int64) for _ in range(2))
    samples.run(build.get(source), [found, n], 1)
    names = {}
    exec(source.source, names)
    names["words"](None, expected, n, 0, 1, None)
    np.testing.assert_array_equal(found, expected)
    return found.tolist()


@pytest.mark.parametrize("a, b", PAIRS)
def test_arithmetic(a, b):
    lines = """
p[0] = p[0] // p[1]
p[2] = -p[2] + ~p[3]
p[3] = (p[3] << 3) - (p[2] >> 2) * 3
p[4] = p[2] & 1023 | p[3] ^ 5
p[5] = min(p[2], p[3]) + max(p[0], p[1])
p[5] -= p[4]
return np.int32(0)
"""
    outcome(lines, [a, b, a % 1000, b % 1000, 0, 0])


def test_loops_end_where_python_ends_them():
    lines = """
for i in range(n):
    if i == 3:
        continue
    if i > 7:
        break
    p[i] = i * i
k = 0
while p[10] > 0:
    p[10] -= 3
    k = k + 1
    if k == 1000:
        return np.int32(0)
for i in range(n):
    for j in range(i):
        p[11] += j
p[9] = k
return np.int32(0)
"""
    assert outcome(lines, [0] * 10 + [100, 0], 10)[9:] == [34, -2, 120]


@pytest.mark.parametrize("values", [[0, 5, 0], [1, 5, 0], [1, 0, 0], [-1, 0, 0]])
def test_conditions_look_no_further_than_they_must(values):
    lines = """
if p[0] != 0 and p[1] // p[0] > 2:
    p[2] = 1
elif p[0] == 0 or p[1] // p[0] == 0:
    p[2] = 2
if not p[1]:
    p[2] += 10
else:
    p[2] += 20
return np.int32(0)
"""
    outcome(lines, values)


def test_a_word_is_cut_to_32_bits_with_its_sign():
    lines = "p[0] = np.int64(np.int32(p[0] - 1))\nreturn np.int32(0)"
    assert outcome(lines, [-(2**31) + 1]) == [-(2**31)]


def test_errors_come_back():
    source = kernel("error[1] = 4\nerror[2] = n\nerror[3] = 6\nreturn np.int32(n + 1)")
    failure = samples.run(build.get(source), [np.zeros(1, np.int64), 8], 1)
    assert failure == program.Failure(0, 0, 9, 4, 8, 6)


@pytest.mark.parametrize(
    "lines, told",
    [
        ("p[0] = 1.5", r"kernel.words, line 3: 1.5"),
        ("p[0] = n / 2", r"line 3: n / 2"),
        ("x = n\nfor i in p:\n    x = i", r"line 4: for i in p:"),
        ("p[0] = n if n > 1 else 2", "line 3"),
        ("p[0] = np.sqrt(n)", r"line 3: np.sqrt\(n\)"),
        ("p[0] = 1 < n < 3", "line 3"),
        ("p[0] = missing", "line 3: missing"),
        ("a, b = 1, 2", "line 3"),
    ],
)
def test_other_code_is_refused_by_line(lines, told):
    with pytest.raises(NotImplementedError, match=told):
        words.lower(kernel(lines), "symbol")


def test_other_parameters_are_refused():
    with pytest.raises(NotImplementedError, match=r"x: a f32\* is no 64-bit word"):
        words.lower(kernel("return np.int32(0)", [("x", "f32*")]), "symbol")


def test_a_call_with_too_few_arguments_is_refused():
    source = kernel("return np.int32(0)")
    text = source.source.replace("return", "load(p)\n    return")
    text = text.replace("def", "from jitgrad.kernels.atomics import load\ndef", 1)
    with pytest.raises(TypeError, match="load takes 2 arguments, not 1"):
        words.lower(Words("words", text, source.params), "symbol")
