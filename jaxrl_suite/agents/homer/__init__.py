"""HOMER: homing policies from kinematic inseparability (Misra et al., ICML 2020, arXiv 1911.05815).

`abstraction` learns which observations of a step cannot be told apart by how they are reached,
`policies` plays and fits greedy policies step by step, `algorithm` puts them together.
"""

from jaxrl_suite.agents.homer.algorithm import HomerConfig, HomerState, make

__all__ = ["HomerConfig", "HomerState", "make"]
