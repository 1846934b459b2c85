"""What agents of one run have learnt, taken elsewhere: a run starts from it (`--init-from`), or another
environment evaluates it (`jaxrl eval --env`).

An agent says itself what that is (`Experiment.learnt`): its parameters, without the optimiser, the
environments and everything else. Networks must have equal shapes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from jaxrl_suite.experiment import Experiment, Learnt, Spec, State
from jaxrl_suite.runner import saved
from jaxrl_suite.runner.errors import RunError

if TYPE_CHECKING:
    from jaxrl_suite.runner.job import Job


def of(spec: Spec, experiment: Experiment) -> Learnt:
    """What the agents of an experiment take elsewhere.

    Raises:
      RunError: where they can take nothing.
    """
    if experiment.learnt is None:
        what = "a sweep" if experiment.cells is not None else f"{spec.name} with this config"
        raise RunError(
            f"{what}: parameters cannot be carried from run to run; those of PPO, IMPALA and DQN can"
        )
    return experiment.learnt


def check_fits(source: str, given: Any, wanted: Any) -> None:
    """Refuses parameters of another network; shapes suffice.

    Raises:
      RunError: naming the first leaf that differs.
    """
    theirs, ours = _leaves(given), _leaves(wanted)
    for name in [*ours, *(name for name in theirs if name not in ours)]:
        if theirs.get(name) != ours.get(name):
            raise RunError(
                f"{source}: its network does not fit: {name} is {theirs.get(name, 'absent')} there, "
                f"{ours.get(name, 'absent')} here; widths, core and spaces must be the same"
            )


def _leaves(tree: Any) -> dict[str, str]:
    return {
        jax.tree_util.keystr(path): f"{list(leaf.shape)} {leaf.dtype}"
        for path, leaf in jax.tree.leaves_with_path(tree)
    }


def one(tree: Any) -> Any:
    """Shapes of one seed, of arrays with a leading axis of seeds."""
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), tree)


def read(job: Job) -> Any:
    """What the agents of `--init-from` have learnt, for each seed of the job; None without the option.

    Seeds take turns: the job's first starts from that run's first, and so on, round and round.

    Raises:
      RunError: for a run of another experiment, or of another network.
    """
    path = job.options.init_from
    if path is None:
        return None
    named = f"init_from={path!r}"
    learnt = of(job.spec, job.experiment)
    other = saved.find(Path(path)).stored["experiment"]
    if other != job.spec.name:
        raise RunError(f"{named}: a run of {other!r}; must be one of {job.spec.name!r}")
    agents = saved.load_all(Path(path), spec=job.spec)
    whole = [i for i, seed in enumerate(agents.seeds) if seed not in agents.diverged]
    if not whole:
        raise RunError(f"{named}: all of its seeds have diverged")
    given = of(agents.spec, agents.experiment).of(agents.states)
    check_fits(named, one(given), one(learnt.of(job.program.template)))
    turns = [whole[i % len(whole)] for i in range(job.options.seeds)]
    from_seeds = ", ".join(dict.fromkeys(str(agents.seeds[i]) for i in turns))
    job.message(f"starting from {path} at update {agents.update}, seeds {from_seeds}")
    rows = np.array(turns)[job.host.part(job.options.seeds)]
    return jax.tree.map(lambda x: np.asarray(x)[rows], given)


def begin(job: Job, states: State, given: Any) -> State:
    """Fresh states with what `read` has given in place of their own."""
    if given is None:
        return states
    learnt = of(job.spec, job.experiment)
    # a copy: states are donated, NumPy memory must not be
    placed = jax.tree.map(
        lambda x, own: jax.device_put(x, own.sharding, may_alias=False), given, learnt.of(states)
    )
    return learnt.put(states, placed)
