"""How many critical points a spherical p-spin glass has, and where.

Auffinger, Ben Arous and Cerny (2013), as used by Choromanska et al. (AISTATS 2015, arXiv 1412.0233,
section 4). Energies u are per spin, p is the order of the interactions (the paper's H, the number of
layers). The mean number of critical points of index k with energy below N u is exp(N Theta_k(u)) to
leading order. E_k, the root of Theta_k, bounds the layer below which no critical points of index k
and more are expected; all those of finite index lie in the band from -E_0 to -E_infinity. Plain
float64 functions.
"""

from __future__ import annotations

import math

import scipy.optimize


def threshold(p: int) -> float:
    """E_infinity = 2 sqrt((p - 1) / p), where the band of low-index critical points ends.

    Raises:
      ValueError: for interactions of order below 2.
    """
    if p < 2:
        raise ValueError(f"p={p!r}: at least 2")
    return 2.0 * math.sqrt((p - 1) / p)


def rate(u: float, p: int) -> float:
    """I(u) = 2 / E^2 integral from u to -E of sqrt(z^2 - E^2) dz, for u <= -E, E the threshold.

    Raises:
      ValueError: for an energy above the threshold.
    """
    e = threshold(p)
    if u > -e:
        raise ValueError(f"u={u!r}: at most {-e:.6f} for p={p}")
    root = math.sqrt(u * u - e * e)
    return -u / e**2 * root - math.log(-u + root) + math.log(e)


def complexity(u: float, p: int, index: int | None = None) -> float:
    """Theta_k(u) for critical points of one index k >= 0, or Theta(u) for all of them (None)."""
    e = threshold(p)
    most = 0.5 * math.log(p - 1)
    if index is None:
        if u >= 0:
            return most
        below = most - (p - 2) * u * u / (4 * (p - 1))
        return below - rate(u, p) if u <= -e else below
    if u >= -e:
        return most - (p - 2) / p
    return most - (p - 2) * u * u / (4 * (p - 1)) - (index + 1) * rate(u, p)


def level(index: int, p: int) -> float:
    """E_k: no critical points of index k are expected below -E_k; E_0 is the ground state's energy.

    Raises:
      ValueError: for p = 2, which has 2 N critical points and no exponential number of any.
    """
    if p == 2:
        raise ValueError("p=2: only from 3 on there is a band; its ground state is at -sqrt(2)")
    e = threshold(p)
    return -float(scipy.optimize.brentq(lambda u: complexity(u, p, index), -3 * e, -e - 1e-12))
