"""The compiled part of a run: every seed's `init`, and `update` scanned between two log lines.

Seeds are a leading axis (`vmap`) of the whole program and are laid over devices by sharding that
axis; nothing is communicated while they train, so a seed's numbers do not depend on the seeds beside
it. Metrics are reduced over the scan before they leave the device.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec, Sharding, SingleDeviceSharding

from envs.host import handler
from jaxrl_suite.experiment import Experiment, Mean, State
from jaxrl_suite.runner import memory
from jaxrl_suite.runner.errors import RunError

RESERVED = ("seed", "env_steps", "wall_s")
_EVALUATION = 0x6576616C  # separates evaluation keys from training keys
_NEVER = np.iinfo(np.int32).max


class Reduced(NamedTuple):
    """Metrics between two log lines, one entry a metric, in the order of their sorted names.

    Attributes:
      values: `[metrics]` float32.
      present: `[metrics]` bool, false for a `Mean` without counts.
      first_bad: `[metrics]` int32, index of the first update whose value was not finite, or the
        largest int32.
    """

    values: jax.Array
    present: jax.Array
    first_bad: jax.Array


def layout(seeds: int, devices: Sequence[Any], spread: bool = False) -> tuple[Sharding, str]:
    """How `seeds` lie over `devices`: the sharding of the leading axis, and a message ("" if plain).

    The largest number of devices that divides the seeds is used; with `spread`, a number that
    divides the devices too, and the mesh has a second axis, `env`, of the devices of each part.
    """
    most = len(devices)
    count = max(n for n in range(1, most + 1) if seeds % n == 0 and (not spread or most % n == 0))
    if spread:
        mesh = jax.make_mesh(
            (count, most // count),
            ("seed", "env"),
            axis_types=(AxisType.Auto,) * 2,
            devices=devices,
        )
        return NamedSharding(mesh, PartitionSpec("seed")), ""
    message = ""
    if count < len(devices) and len(devices) > 1:
        message = (
            f"{seeds} seeds do not divide evenly over {len(devices)} devices: using {count}; "
            f"a multiple of {len(devices)} seeds would use all, and so would --spread-environments"
        )
    if count == 1:
        return SingleDeviceSharding(devices[0]), message
    mesh = jax.make_mesh((count,), ("seed",), axis_types=(AxisType.Auto,), devices=devices[:count])
    return NamedSharding(mesh, PartitionSpec("seed")), message


def spread_over(sharding: Any, state: State, over_envs: Any, num_envs: int) -> Any:
    """Shardings of every leaf of `state`, `[seeds, ...]`: those of environments lie over both axes.

    Args:
      sharding: the `NamedSharding` of the seeds, on a mesh of `layout`'s with `spread`.
      state: shapes suffice.
      over_envs: a prefix of one seed's state: true for what has a leading axis of environments.
      num_envs: environments of a seed.

    Raises:
      RunError: when they do not divide.
    """
    devices = sharding.mesh.shape["env"]
    if num_envs % devices:
        raise RunError(f"num_envs={num_envs}: a multiple of {devices}, the devices of a seed")
    both = NamedSharding(sharding.mesh, PartitionSpec("seed", "env"))
    prefix = jax.tree.map(lambda over: both if over else sharding, over_envs)
    return jax.tree.map(lambda where, part: jax.tree.map(lambda _: where, part), prefix, state)


def seed_keys(first: int, count: int) -> jax.Array:
    """`[count]` random keys; seed `s` always gets `jax.random.key(s)`, whoever is beside it."""
    return jax.vmap(jax.random.key)(jnp.arange(count, dtype=jnp.uint32) + jnp.uint32(first))


def rows(cells: Any, first: int, count: int) -> tuple[jax.Array, Any]:
    """Keys and cells of `count` rows: each cell's seeds `first`, `first + 1`, ... one after another.

    Without cells a row is a seed. Keys do not depend on the cell, so cells can be compared in pairs.
    """
    if cells is None:
        return seed_keys(first, count), ()
    number = jax.tree.leaves(cells)[0].shape[0] if jax.tree.leaves(cells) else 1
    seeds = count // number
    keys = seed_keys(first, seeds)[jnp.arange(count) % seeds]
    return keys, jax.tree.map(lambda x: jnp.repeat(x, seeds, axis=0), cells)


def metric_names(function: Callable[..., Any], *arguments: Any) -> tuple[str, ...]:
    """Sorted names of the metrics dictionary that `function(*arguments)` returns.

    Raises:
      TypeError: for a metric that is neither a scalar nor a `Mean` of scalars, or a reserved name.
    """
    metrics = jax.eval_shape(function, *arguments)
    for name, value in metrics.items():
        parts = value if isinstance(value, Mean) else (value,)
        if name in RESERVED:
            raise TypeError(f"metric {name!r}: this column is the runner's own; rename it")
        if any(getattr(part, "shape", None) != () for part in parts):
            shapes = [getattr(part, "shape", type(part).__name__) for part in parts]
            raise TypeError(f"metric {name!r}: a scalar or a Mean of scalars, not {shapes}")
    return tuple(sorted(metrics))


def reduce_metrics(stacked: dict[str, Any]) -> Reduced:
    """Metrics stacked over `[updates]` to one value each: plain ones averaged, `Mean`s pooled."""
    values, present, first_bad = [], [], []
    for name in sorted(stacked):
        metric = stacked[name]
        if isinstance(metric, Mean):
            total, count = (jnp.asarray(part, jnp.float32) for part in metric)
            counted = jnp.sum(count)
            value = jnp.sum(jnp.where(count > 0, total, 0.0)) / jnp.where(counted > 0, counted, 1.0)
            finite = jnp.isfinite(total) | (count <= 0)
        else:
            plain = jnp.asarray(metric, jnp.float32)
            value, counted, finite = jnp.mean(plain), jnp.float32(1), jnp.isfinite(plain)
        values.append(value)
        present.append(counted > 0)
        first_bad.append(jnp.min(jnp.where(finite, _NEVER, jnp.arange(finite.shape[0]))))
    if not values:
        return Reduced(jnp.zeros(0), jnp.zeros(0, bool), jnp.zeros(0, jnp.int32))
    return Reduced(jnp.stack(values), jnp.stack(present), jnp.stack(first_bad).astype(jnp.int32))


def _strong(state: State) -> State:
    """Without weak types, so that the state has the same types before and after a segment."""

    def leaf(x: Any) -> jax.Array:
        x = jnp.asarray(x)
        return x if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key) else x.astype(x.dtype)

    return jax.tree.map(leaf, state)


def train_segment(experiment: Experiment, length: int, state: State) -> tuple[State, Reduced]:
    """`length` updates of one seed and their reduced metrics."""

    def one(state: State, _: None) -> tuple[State, Any]:
        state, metrics = experiment.update(state)
        return _strong(state), metrics

    state, stacked = jax.lax.scan(one, state, None, length=length)
    return state, reduce_metrics(stacked)


class Program:
    """An experiment compiled for a number of seeds, or `part` of them, on this process's devices.

    Attributes:
      names: metric names, sorted, as in `Reduced`.
      eval_names: names of the evaluation's metrics (without `eval/`).
      message: what to tell the user about devices, or "".
    """

    def __init__(
        self,
        experiment: Experiment,
        first_seed: int,
        seeds: int,
        part: slice | None = None,
        spread: bool = False,
    ):
        self.experiment = experiment
        part = part or slice(0, seeds)
        if spread and experiment.over_envs is None:
            raise RunError("spread_environments=True: this experiment cannot; leave it out")
        count = part.stop - part.start
        keys, cells = jax.tree.map(lambda x: x[part], rows(experiment.cells, first_seed, seeds))

        def init(key: jax.Array, cell: Any) -> State:
            arguments = (key,) if experiment.cells is None else (key, cell)
            return _strong(experiment.init(*arguments))

        traced = jax.make_jaxpr(jax.vmap(init), return_shape=True)
        program, self.template = traced(keys, cells)
        memory.check_state(self.template)
        devices = jax.local_devices()
        cut = handler.is_in(program) and len(devices) > 1
        if cut:  # which is all that CPUs' programs can call the host from
            devices = devices[:1]
        self.sharding, self.message = layout(count, devices, spread)
        if cut:
            self.message = "games on the host are played from one CPU device: using one"
        self.keys, self._cells = jax.device_put((keys, cells), self.sharding)
        self.shardings: Any = self.sharding  # of the state
        if spread and experiment.over_envs is not None:
            over_envs, num_envs = experiment.over_envs
            self.shardings = spread_over(self.sharding, self.template, over_envs, num_envs)
        self._init = jax.jit(jax.vmap(init), out_shardings=self.shardings)
        one = jax.eval_shape(init, jax.random.key(0), jax.tree.map(lambda x: x[0], self._cells))
        self.names = metric_names(lambda state: experiment.update(state)[1], one)
        self.eval_names: tuple[str, ...] = ()
        if experiment.evaluate is not None:
            self.eval_names = metric_names(experiment.evaluate, jax.random.key(0), one)
        self._segments: dict[int, Callable[[State], tuple[State, Reduced]]] = {}
        self._evaluate: Callable[..., Reduced] | None = None

    def init(self) -> State:
        """Every seed's first state; each leaf has a leading axis of seeds."""
        return jax.block_until_ready(self._init(self.keys, self._cells))

    def segment(self, length: int, states: State) -> Callable[[State], tuple[State, Reduced]]:
        """The compiled function of `length` updates; it takes over the memory of its argument."""
        if length not in self._segments:
            function = jax.jit(
                jax.vmap(functools.partial(train_segment, self.experiment, length)),
                donate_argnums=0,
                out_shardings=(self.shardings, self.sharding),
            )
            compiled = function.lower(states).compile()
            memory.check_program(compiled, len(self.sharding.device_set))
            self._segments[length] = compiled
        return self._segments[length]

    def evaluate(self, states: State, update: int) -> Reduced:
        """The experiment's evaluation of every seed after `update` updates, fetched to the host.

        Its keys depend on the seed and on `update` alone, so a resumed run evaluates alike.
        """
        evaluate = self.experiment.evaluate
        if evaluate is None:
            raise RunError("this experiment has no evaluation", exit_code=1)
        if self._evaluate is None:

            def one(key: jax.Array, update: jax.Array, state: State) -> Reduced:
                key = jax.random.fold_in(jax.random.fold_in(key, _EVALUATION), update)
                metrics = evaluate(key, state)
                return reduce_metrics(jax.tree.map(lambda x: jnp.asarray(x)[None], metrics))

            function = jax.jit(jax.vmap(one, in_axes=(0, None, 0)))
            self._evaluate = function.lower(self.keys, jnp.int32(update), states).compile()
        return fetch(finished(self._evaluate, self.keys, jnp.int32(update), states))


def fetch(reduced: Reduced) -> Reduced:
    """Brings a segment's metrics to the host: `[seeds, metrics]` NumPy arrays."""
    return jax.device_get(reduced)


def finished(function: Callable[..., Any], *arguments: Any) -> Any:
    """`function(*arguments)` when all of it is computed, in a thread of its own.

    Python handles signals in the main thread alone, and not while that is inside of XLA, where a
    program with host games stays to its end. JAX's own `with` settings (`jax.debug_nans`) belong to a
    thread and do not reach it.
    """
    with ThreadPoolExecutor(1, "program") as threads:
        return threads.submit(lambda: jax.block_until_ready(function(*arguments))).result()


def never_bad(first_bad: Any) -> np.ndarray:
    """Whether all updates of a metric were finite, elementwise."""
    return np.asarray(first_bad == _NEVER)


def one_seed(states: State, index: int = 0) -> State:
    """Seed `index`'s own state, on the first device."""
    device = jax.local_devices()[0]
    return jax.tree.map(lambda x: jax.device_put(x[index], device), states)
