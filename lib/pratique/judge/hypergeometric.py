"""The log moment generating function of the hypergeometric distribution, for many strata at once.

psi(θ) = log E[e^{θX}], where X is the number of the m marked (bad) requests among the canary's n_c of N requests
when the arms do not differ. All evidence is computed from it (docs/explanation/judge-statistics.md). It is stored at the
Chebyshev nodes of [-3, 3]: its only singularities are at Im θ = π, because the generating polynomial of a
hypergeometric variable has real, negative roots. The interpolation error therefore falls like 2.5^-K.

Sources: exact sums by the ratio of neighbouring terms; beyond that the saddlepoint approximation with its
second-order correction (Daniels 1954, eq. 2.6; Butler 2007, section 1.2) of the coefficient of z^m in
(1 + z e^θ)^n_c (1 + z)^n_b, in which θ = 0 cancels the same approximation of the binomial coefficient.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

REACH = 3.0
"""Log odds ratios from -3 to 3 (odds ratios from 1/20 to 20) are considered."""
K = 24
NODES: Floats = REACH * np.cos(np.pi * (np.arange(K) + 0.5) / K)
EXACT_UP_TO = 40
"""Largest support that is summed exactly; above it the saddlepoint's relative error is below 1e-6."""
_POWERS: Floats = np.exp(np.outer(np.arange(EXACT_UP_TO + 1), NODES))
_WIDTHS = (2, 5, 10, 20, EXACT_UP_TO)
_CHUNK = 4096
"""Strata processed together: more intermediate values would not fit into the processor's cache."""


def psi_at_nodes(total: Ints, marked: Ints, canary: Ints) -> Floats:
    """Return psi at NODES for strata of N = `total`, m = `marked`, n_c = `canary` requests; shape (strata, K).

    All three of shape (strata,), 0 <= m, n_c <= N. A stratum without information gives zeros.
    """
    values = [np.asarray(given, np.int64) for given in (total, marked, canary)]
    psi = np.empty((len(values[0]), K))
    for start in range(0, len(psi), _CHUNK):
        part = slice(start, start + _CHUNK)
        psi[part] = _psi(*(given[part] for given in values))
    return psi


def _psi(total: Ints, marked: Ints, canary: Ints) -> Floats:
    # the complement of the marked requests, or of the arm, turns any stratum into one with both at most N / 2
    flip_marks, flip_arm = 2 * marked > total, 2 * canary > total
    m = np.where(flip_marks, total - marked, marked)
    n = np.where(flip_arm, total - canary, canary)
    psi = _reduced(total, np.minimum(m, n), np.maximum(m, n))
    # X = n - X' under either complement: psi(θ) = θ n + psi'(-θ), and NODES are symmetric
    turned = flip_marks != flip_arm
    psi[turned] = psi[turned, ::-1]
    shift = np.where(flip_arm, marked, 0) + np.where(flip_marks, np.where(flip_arm, -n, n), 0)
    return psi + shift[:, None] * NODES


def _reduced(total: Ints, small: Ints, large: Ints) -> Floats:
    psi = np.zeros((len(total), K))
    below = 0
    for width in _WIDTHS:
        chosen = np.flatnonzero((small > below) & (small <= width))
        if len(chosen):
            psi[chosen] = _exact(total[chosen], small[chosen], large[chosen], width)
        below = width
    chosen = np.flatnonzero(small > EXACT_UP_TO)
    if len(chosen):
        psi[chosen] = _saddlepoint(total[chosen], small[chosen], large[chosen], NODES)
    return psi


def _exact(total: Ints, small: Ints, large: Ints, width: int) -> Floats:
    k = np.arange(width)[:, None]
    terms = np.ones((width + 1, len(total)))
    factors = (small - k) * (large - k) / ((k + 1.0) * (total - small - large + k + 1))
    np.cumprod(np.maximum(factors, 0.0), axis=0, out=terms[1:])
    weights = terms / terms.sum(axis=0)
    return np.asarray(np.log(weights.T @ _POWERS[: width + 1]), np.float64)


def _saddlepoint(total: Ints, marked: Ints, canary: Ints, theta: Floats) -> Floats:
    n, m, c = (values.astype(np.float64)[:, None] for values in (total, marked, canary))
    at_zero = _coefficient(n, m, c, np.zeros(1))
    return _coefficient(n, m, c, theta) - at_zero


def _coefficient(n: Floats, m: Floats, c: Floats, theta: Floats) -> Floats:
    """Log of the coefficient of z^m in (1 + z e^θ)^c (1 + z)^(n - c), less log sqrt(1 / 2π)."""
    e = np.exp(theta)
    b = n - c
    # the saddle solves c r e / (1 + r e) + b r / (1 + r) = m, a quadratic in r
    linear = c * e + b - m * (1.0 + e)
    root = np.sqrt(linear * linear + 4.0 * e * (n - m) * m)
    r = np.where(linear > 0, 2.0 * m / (linear + root), (root - linear) / (2.0 * e * (n - m)))
    p, q = r * e / (1.0 + r * e), r / (1.0 + r)
    vp, vq = c * p * (1.0 - p), b * q * (1.0 - q)
    variance = vp + vq
    third = vp * (1.0 - 2.0 * p) + vq * (1.0 - 2.0 * q)
    fourth = vp * (1.0 - 6.0 * p * (1.0 - p)) + vq * (1.0 - 6.0 * q * (1.0 - q))
    correction = fourth / (8.0 * variance**2) - 5.0 * third**2 / (24.0 * variance**3)
    value = c * np.log1p(r * e) + b * np.log1p(r) - m * np.log(r) - 0.5 * np.log(variance) + np.log1p(correction)
    return np.asarray(value, np.float64)


def interpolation(theta: npt.ArrayLike) -> Floats:
    """Return the matrix that takes values at NODES to values at `theta`; shape (K, len(theta)).

    theta: within [-REACH, REACH]. Source: barycentric formula (Berrut & Trefethen 2004, eq. 4.2).
    """
    points = np.atleast_1d(np.asarray(theta, np.float64))
    signs = (-1.0) ** np.arange(K) * np.sin(np.pi * (np.arange(K) + 0.5) / K)
    distance = points[None, :] - NODES[:, None]
    hit = np.abs(distance) < 1e-14
    weights = signs[:, None] / np.where(hit, 1.0, distance)
    matrix = weights / weights.sum(axis=0)
    matrix[:, hit.any(axis=0)] = hit[:, hit.any(axis=0)]
    return np.asarray(matrix, np.float64)


def variance_of(total: Ints, marked: Ints, canary: Ints) -> Floats:
    """Return the variance of the canary's marked requests when the arms do not differ."""
    n = np.maximum(total, 2).astype(np.float64)
    share = canary / n
    return np.asarray(marked * share * (1.0 - share) * (total - marked) / (n - 1.0), np.float64)
