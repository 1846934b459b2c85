"""How much arithmetic a program has, and how fast this machine does arithmetic: floors for timings."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend import core


class Work(NamedTuple):
    """Of one call of a program.

    Attributes:
      flops: of its matrix products and convolutions, a multiplication and an addition counted as two.
      bytes: that its loops read from and write to their sequences, each once.
    """

    flops: float
    bytes: float

    def __sub__(self, other: Work) -> Work:
        return Work(self.flops - other.flops, self.bytes - other.bytes)


def count(function: Callable[..., Any], *arguments: Any) -> Work:
    """The work of `function(*arguments)`, from its jaxpr.

    A loop of known length counts as often as it runs, one of unknown length (`while`) once, of a
    `cond` the branch with most.
    """
    return _count(jax.make_jaxpr(function)(*arguments).jaxpr)


def _count(jaxpr: core.Jaxpr) -> Work:
    flops = size = 0.0
    for equation in jaxpr.eqns:
        name, params = equation.primitive.name, equation.params
        if name == "dot_general":
            flops += 2.0 * _size(equation.outvars[0]) * _contracted(equation)
        elif name == "conv_general_dilated":
            kernel: Any = equation.invars[1].aval
            outputs = params["dimension_numbers"].rhs_spec[0]
            flops += (
                2.0 * _size(equation.outvars[0]) * math.prod(kernel.shape) / kernel.shape[outputs]
            )
        inner = [_count(part) for part in _parts(params)]
        if not inner:
            continue
        times = params["length"] if name == "scan" else 1
        most = max(inner) if name == "cond" else Work(*map(sum, zip(*inner, strict=True)))
        flops, size = flops + times * most.flops, size + times * most.bytes
        if name == "scan":
            before = params["num_consts"] + params["num_carry"]
            sequences = [*equation.invars[before:], *equation.outvars[params["num_carry"] :]]
            size += sum(_size(x) * _itemsize(x) for x in sequences)
    return Work(flops, size)


def _parts(params: dict[str, Any]) -> Iterator[core.Jaxpr]:
    for value in params.values():
        for part in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(part, core.ClosedJaxpr):
                yield part.jaxpr
            elif isinstance(part, core.Jaxpr):
                yield part


def _size(variable: Any) -> int:
    return math.prod(variable.aval.shape)


def _itemsize(variable: Any) -> int:
    return getattr(variable.aval.dtype, "itemsize", 8)  # a random key has two words


def _contracted(equation: Any) -> int:
    (axes, _), _ = equation.params["dimension_numbers"]
    return math.prod(equation.invars[0].aval.shape[axis] for axis in axes)


class Peak(NamedTuple):
    """Of this machine: float32 operations and bytes a second, the best of several tries."""

    flops: float
    bytes: float

    def seconds(self, work: Work) -> float:
        """The least that `work` can take."""
        return max(work.flops / self.flops, work.bytes / self.bytes)


def peak(size: int = 2048, tries: int = 7) -> Peak:
    """Measured: a matrix product of `size`, and one pass over 256 MB that reads and writes."""

    def best(function: Callable[..., Any], *arguments: Any) -> float:
        jax.block_until_ready(function(*arguments))
        times = []
        for _ in range(tries):
            start = time.perf_counter()
            jax.block_until_ready(function(*arguments))
            times.append(time.perf_counter() - start)
        return min(times)

    square = jnp.ones((size, size))
    product = best(jax.jit(jnp.matmul), square, square)
    long = jnp.ones(64 * 2**20)
    copied = best(jax.jit(lambda x: x + 1), long)
    return Peak(2 * size**3 / product, 2 * long.nbytes / copied)
