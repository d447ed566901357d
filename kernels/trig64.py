"""float64 trigonometric functions.

Up to 2^30 the argument is reduced by pi / 2 in three parts, beyond by those bits of 1 / (2 pi) that
matter at its size, both to a sum of two numbers. Both are computed and one is selected: loops over
these vectorise.
Coefficients: weighted least squares at Chebyshev points, each rounded in turn; comments: the error.
Entry functions: `<name>_f64`, reached through `math64`. May import: NumPy, `intrinsics`.
"""

import numpy as np

from .intrinsics import Table, absolute, bits_f64, fma_f64, horner, int_f64, lookup, rint, select

INLINE = True
_T = np.float64
_0, _1, _2, _HALF = _T(0), _T(1), _T(2), _T(0.5)
_MAGIC = _T(1.5 * 2.0**52)  # adding it rounds to an integer and leaves that in the low bits
_QUARTERS = _T(1.5 * 2.0**50)  # the same for quarters
_TWO_OVER_PI = _T(0.6366197723675814)
_PIO2_0, _PIO2_1, _PIO2_2 = map(
    _T, (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33)
)
_TAU, _TAU_LO = _T(6.283185307179586), _T(2.4492935982947064e-16)
_LARGE, _INF = _T(2.0**30), _T(np.inf)
_ONE_BIT, _TWO_BIT, _SIGN = np.int64(1), np.int64(2), np.int64(62)
_MANTISSA, _FIELD, _FIRST = np.int64(52), np.int64(0x7FF), np.int64(1023 + 30)
_ROW, _LAST, _SHIFT = np.int64(5), np.int64(31), np.int64(22)
# four by four: the fraction of 2^(32 j - 22) / (2 pi) as a sum of four
_TURNS = Table(
    map(
        _T,
        (
            3.794549538895973e-08,
            -2.3458810657480342e-24,
            -1.278094802247644e-40,
            9.600596340410843e-57,
            0.9746617261008238,
            2.7547066395491198e-17,
            -4.326895226369928e-34,
            9.524415699826826e-51,
            0.26594793706985276,
            2.7170459279146054e-17,
            1.0782464787697828e-33,
            4.647761770193909e-50,
            0.1536837791107848,
            1.1892889840965575e-17,
            4.96479382107966e-35,
            -6.120035996925595e-52,
            0.2065086875541823,
            -1.0610874161246956e-17,
            7.070796399404925e-34,
            1.1841888412442612e-50,
            0.3850951931122504,
            2.7664390261784996e-17,
            1.0364778683606748e-33,
            3.6947579960098446e-50,
            0.26391994913991706,
            -1.8033816326250612e-18,
            4.382920024302585e-35,
            -2.1829574792641354e-51,
            0.3179271143706237,
            2.3805952160694473e-17,
            5.537233315292012e-34,
            -3.856597711622377e-50,
            0.7334805557369969,
            3.134992260085673e-17,
            2.8723728104984514e-33,
            7.996486122457076e-50,
            0.14230693930387472,
            3.40757809559927e-19,
            2.1811641125971334e-35,
            -9.266377599989395e-52,
            0.30399894860709836,
            -2.722330630446668e-17,
            -9.413794790201677e-34,
            5.908874556297026e-51,
            0.2858721040698317,
            1.3775703059586437e-17,
            -1.452660971282568e-34,
            8.733667848974118e-51,
            0.8186357612993729,
            -4.590714157462198e-17,
            -1.934068093039451e-33,
            7.6008324938137915e-50,
            0.1168687756086486,
            -1.273469403396845e-18,
            -9.260071040069439e-35,
            -1.3546032530252025e-51,
            0.16270821739654892,
            -1.1344467343068415e-17,
            2.9118091277845287e-35,
            -4.361548992368317e-52,
            0.5086358298388111,
            -4.2847068867568927e-17,
            -3.36116241813714e-34,
            8.623377921681625e-51,
            0.73151426986118,
            -1.7977534595251945e-17,
            1.1988259303423206e-33,
            1.1688604242249128e-50,
            0.6110862913478678,
            1.699864614622169e-17,
            -1.1641258008797245e-33,
            -1.8289322185385697e-50,
            0.3730202451277699,
            2.0996935910926998e-17,
            -8.746273572497296e-35,
            1.5869486335858938e-51,
            0.5696750589006355,
            -4.7026343164922287e-17,
            1.5852245767253004e-33,
            1.495142744855959e-50,
            0.32510308095186086,
            -3.579316198592544e-18,
            -9.985280392797435e-38,
            -4.757284576745715e-54,
            0.51708291423816,
            4.3366518564549914e-17,
            -1.528756311547023e-33,
            2.786694187649594e-50,
            0.9732701256803864,
            -1.8419591191016427e-18,
            -8.775641107303387e-35,
            -4.0215795873711337e-51,
            0.9710693280263458,
            -9.116046971423304e-19,
            2.3642755706833557e-35,
            1.014403304657759e-52,
            0.021851535696504044,
            1.4116706708309224e-18,
            -3.6746561381183853e-35,
            6.619358025126955e-52,
            0.18386145542392685,
            -7.95734612886801e-18,
            3.304998593449013e-34,
            -2.2783681149276432e-52,
            0.040727581179903924,
            2.157189195350877e-18,
            -1.1539130190106761e-34,
            -7.226806722297914e-52,
            0.21287245484840056,
            -9.580313705962429e-18,
            4.193845143523355e-34,
            1.5885007003488661e-50,
            0.7931170052090671,
            -1.9170067713351252e-17,
            -1.0051537635610289e-33,
            1.931455621295354e-50,
            0.27440492025918023,
            2.0228783589665455e-17,
            2.853072555793417e-34,
            6.879401004207041e-51,
            0.3746670161269591,
            -1.0897198961471262e-18,
            -6.364354007938777e-36,
            -3.373124312870092e-52,
            0.15519380101426877,
            -1.0569440924935138e-17,
            5.615453532251025e-34,
            3.571724650383482e-50,
        ),
    )
)
# (sin(r) / r - 1) / r^2 in r^2, |r| <= pi / 4: 2^-62.87
_SIN = tuple(
    map(
        _T,
        (
            -7.48591318771271e-13,
            1.605626644312367e-10,
            -2.5052086078366558e-08,
            2.7557319129554467e-06,
            -0.00019841269841057365,
            0.0083333333333331,
            -0.16666666666666666,
        ),
    )
)
# (cos(r) - 1 + r^2 / 2) / r^4 in r^2: 2^-64.06
_COS = tuple(
    map(
        _T,
        (
            -1.1358862620062365e-11,
            2.087570776683663e-09,
            -2.755731423477292e-07,
            2.4801587289058166e-05,
            -0.0013888888888873405,
            0.041666666666666595,
        ),
    )
)
# (tan(r) / r - 1) / r^2 in r^2: 2^-59.84
_TAN = tuple(
    map(
        _T,
        (
            9.76953955319614e-06,
            -2.413684518414271e-05,
            4.835022018394723e-05,
            -2.5281105329229118e-05,
            6.693522337785905e-05,
            8.372029419521535e-05,
            0.00024368670155364857,
            0.0005888828740491071,
            0.001456041879630501,
            0.0035921013895851704,
            0.008863237875453112,
            0.02186948840200926,
            0.05396825397281887,
            0.13333333333325448,
            0.3333333333333338,
        ),
    )
)


def _two_sum(a, b):
    """a + b as a rounded sum and its error."""
    s = a + b
    part = s - a
    return s, (a - (s - part)) + (b - part)


def _reduce_near(x):
    """(high, low, shifted) for |x| < 2^30: shifted holds the number of quarter turns."""
    shifted = fma_f64(x, _TWO_OVER_PI, _MAGIC)
    n = shifted - _MAGIC
    first = fma_f64(-n, _PIO2_0, x)
    second = -n * _PIO2_1
    r, error = _two_sum(first, second)
    low = fma_f64(-n, _PIO2_2, fma_f64(-n, _PIO2_1, -second) + error)
    high = r + low
    return high, (r - high) + low, shifted


def _reduce_far(x):
    """The same for 2^30 <= |x| < inf, by x * 1/(2 pi) in turns; whole turns are dropped exactly."""
    bits = int_f64(x)
    exponent = np.int64(np.int64(bits >> _MANTISSA) & _FIELD)
    row = np.int64(np.int64(np.int64(exponent - _FIRST) >> _ROW) & _LAST)
    x = bits_f64(np.int64(bits + np.int64(np.int64(_SHIFT - np.int64(row * 32)) << _MANTISSA)))
    at = row * 4
    a0, a1 = lookup(_TURNS, at), lookup(_TURNS, at + 1)
    a2, a3 = lookup(_TURNS, at + 2), lookup(_TURNS, at + 3)
    p0, p1, p2 = x * a0, x * a1, x * a2
    e0, e1 = fma_f64(x, a0, -p0), fma_f64(x, a1, -p1)
    e2 = fma_f64(x, a3, fma_f64(x, a2, -p2))
    u, u_low = _two_sum(p0 - rint(p0), e0 - rint(e0))
    v, v_low = _two_sum(u, p1 - rint(p1))
    w, w_low = _two_sum(e1, p2)
    shifted = (v + w) + _QUARTERS
    r, r_low = _two_sum(v - (shifted - _QUARTERS), w)
    low = (r_low + (u_low + v_low)) + (w_low + e2)
    turn = r + low
    low = (r - turn) + low
    high = turn * _TAU
    low = fma_f64(turn, _TAU, -high) + fma_f64(turn, _TAU_LO, low * _TAU)
    return high, low, shifted


def _reduce(x):
    """(high, low, q): x = high + low + q pi / 2 up to whole turns, |high| <= pi / 4."""
    size = absolute(x)
    near, near_low, near_shifted = _reduce_near(x)
    far, far_low, far_shifted = _reduce_far(x)
    large = (size >= _LARGE) & (size < _INF)
    shifted = select(large, far_shifted, near_shifted)
    return select(large, far, near), select(large, far_low, near_low), int_f64(shifted)


def sin_poly_f64(r, low):
    """sin(r + low), |r| <= pi / 4."""
    z = r * r
    return r + fma_f64(r * z, horner(z, _SIN), low * fma_f64(-_HALF, z, _1))


def cos_poly_f64(r, low):
    """cos(r + low), |r| <= pi / 4."""
    z = r * r
    half = _HALF * z
    w = _1 - half
    return w + (((_1 - w) - half) + fma_f64(z * z, horner(z, _COS), -r * low))


def turn_f64(r, low, q):
    """sin(r + low + q pi / 2), |r| <= pi / 4."""
    odd = np.int64(q & _ONE_BIT) != 0
    y = select(odd, cos_poly_f64(r, low), sin_poly_f64(r, low))
    return bits_f64(np.int64(int_f64(y) ^ np.int64(np.int64(q & _TWO_BIT) << _SIGN)))


def sin_f64(x):
    """Sine."""
    r, low, q = _reduce(x)
    return select(x == _0, x, turn_f64(r, low, q))


def cos_f64(x):
    """Cosine."""
    r, low, q = _reduce(x)
    return turn_f64(r, low, np.int64(q + _ONE_BIT))


def tan_f64(x):
    """Tangent; in odd quarters -1 / tan with one Newton step."""
    r, low, q = _reduce(x)
    z = r * r
    t = r * z * horner(z, _TAN)
    v = r + t
    low = ((r - v) + t) + low * fma_f64(v, v, _1)
    y = v + low
    low = (v - y) + low
    c = -_1 / y
    c = fma_f64(c, fma_f64(c, y, _1) + c * low, c)
    return select(x == _0, x, select(np.int64(q & _ONE_BIT) != 0, c, y))
