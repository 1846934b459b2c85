"""E3B on MiniHack (Henaff et al., NeurIPS 2022, arXiv 2210.05805, section 5.2).

    jaxrl run e3b_minihack --env MiniHack-MultiRoom-N2-v0 --seeds 2
    jaxrl run e3b_minihack --env MiniHack-MultiRoom-N2-v0 --seeds 2 --bonus none

Real NetHack games on the host pool, a recurrent policy, and a bonus from features that need no
knowledge of the game: E3B's embeddings of glyphs, status line and message by inverse dynamics. The
paper's 16 tasks go by short names (`--env freeze-horn`; see `TASKS`), its baselines by bonus:
`--bonus noveld@first_observation` is NovelD, `noveld@first_position` and `noveld@first_message` are
its hand-made variants, then `rnd`, `icm`, `ride` and `none`.

The defaults fit a few cores: a crop of 9 x 9 and small networks. `--published` sets everything as the
authors did, for a machine with an accelerator and dozens of cores (`experiments/_published_e3b.py` has
every number): network, number of games, length of rollouts, optimiser, entropy, clipping, discount,
bonus, 50M steps. What is given beside it goes first:

    jaxrl run e3b_minihack --published --env freeze-horn --seeds 5
    jaxrl run e3b_minihack --published --env freeze-horn --seeds 5 --agent impala --total-steps 5e7

The agent is PPO; `--agent appo` is PPO's objective on V-trace targets, `--agent impala` the policy
gradient on them, the paper's. `--published` is the authors' faster variant with the first two, the
paper's own settings with the third.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from envs.host.catalogue import on_host
from envs.registry import maker, registered
from envs.suggest import hint
from experiments import _published_e3b as published
from experiments._task import agent_env
from experiments.ppo import SWEEPABLE
from jaxrl_suite import checks
from jaxrl_suite.agents import impala, ppo
from jaxrl_suite.experiment import ConfigError, Experiment, Spec, known
from jaxrl_suite.exploration import catalog
from jaxrl_suite.networks import nethack
from jaxrl_suite.networks.actor_critic import ActorCritic

TASKS = {
    "levitate-potion": "MiniHack-Levitate-Potion-Restricted-v0",
    "levitate-boots": "MiniHack-Levitate-Boots-Restricted-v0",
    "freeze-horn": "MiniHack-Freeze-Horn-Restricted-v0",
    "freeze-wand": "MiniHack-Freeze-Wand-Restricted-v0",
    "freeze-random": "MiniHack-Freeze-Random-Restricted-v0",
    "lavacross": "MiniHack-LavaCross-Restricted-v0",
    "wod-hard": "MiniHack-WoD-Hard-Restricted-v0",
    "multiroom-n4-locked": "MiniHack-MultiRoom-N4-Locked-v0",
    "multiroom-n6-lava": "MiniHack-MultiRoom-N6-Lava-v0",
    "multiroom-n6-lava-opendoor": "MiniHack-MultiRoom-N6-Lava-OpenDoor-v0",
    "multiroom-n6-lavamonsters": "MiniHack-MultiRoom-N6-LavaMonsters-v0",
    "multiroom-n10-opendoor": "MiniHack-MultiRoom-N10-OpenDoor-v0",
    "multiroom-n10-lava-opendoor": "MiniHack-MultiRoom-N10-Lava-OpenDoor-v0",
    "lavacrossings19n13": "MiniHack-LavaCrossingS19N13-v0",
    "lavacrossings19n17": "MiniHack-LavaCrossingS19N17-v0",
    "labyrinth-big": "MiniHack-Labyrinth-Big-v0",
}
AGENTS = ("ppo", "appo", "impala")
# of the network of vectors and grids; of PPO; of the other two
UNUSED = ("separate_critic", "activation", "use_mission")
PPO_ONLY = (
    "extrinsic",
    "intrinsic_discount",
    "intrinsic_episodic",
    "bootstrap_truncation",
    "normalize_observations",
    "normalize_rewards",
    "clip_value",
)
IMPALA_ONLY = ("optimizer", "epsilon", "rho_clip", "trace_clip")


@dataclasses.dataclass(frozen=True)
class Settings(catalog.Options, ppo.PPOConfig):
    """The bonus's settings, PPO's, and the games'; the defaults are those without `published`.

    Attributes:
      agent: "ppo", or with V-trace targets "appo" or "impala" (they refuse what is PPO's alone).
      optimizer: "adam", or but for "ppo" "rmsprop".
      epsilon: the optimiser's; None for its usual one.
      rho_clip: V-trace's bound on the importance weights of the errors.
      trace_clip: its bound on the weights of the traces.
      clip: epsilon of the clipped objective; None with "impala", which has none.
      env: a task of the paper by its short name, or any environment with NetHack's observations.
      max_steps: episode length, or None for the task's own.
      published: the authors' settings, for large machines; what is given goes before them.
      workers: processes that play the games; None for one a core.
    """

    bonus: str = "e3b"
    agent: str = "ppo"
    optimizer: str = "adam"
    epsilon: float | None = None
    rho_clip: float = 1.0
    trace_clip: float = 1.0
    clip: float | None = 0.2  # type: ignore[assignment]
    total_steps: int = 1_000_000
    num_envs: int = 32
    rollout_length: int = 64
    epochs: int = 2
    minibatches: int = 4
    learning_rate: float = 5e-4
    entropy: float = 0.01
    widths: tuple[int, ...] = (128, 128)
    core: str = "gru"
    core_features: int = 128
    bonus_learning_rate: float = 5e-4
    features: int = 64
    eval_episodes: int = 32
    env: str = "MiniHack-MultiRoom-N2-v0"
    max_steps: int | None = None
    published: bool = False
    workers: int | None = None


@dataclasses.dataclass(frozen=True)
class Config(Settings):
    """`Settings`, where what `published` may set is None unless given."""

    optimizer: str | None = None  # type: ignore[assignment]
    clip: float | None = None
    total_steps: int | None = None  # type: ignore[assignment]
    num_envs: int | None = None  # type: ignore[assignment]
    rollout_length: int | None = None  # type: ignore[assignment]
    epochs: int | None = None  # type: ignore[assignment]
    minibatches: int | None = None  # type: ignore[assignment]
    learning_rate: float | None = None  # type: ignore[assignment]
    discount: float | None = None  # type: ignore[assignment]
    gae_lambda: float | None = None  # type: ignore[assignment]
    value_coefficient: float | None = None  # type: ignore[assignment]
    entropy: float | None = None  # type: ignore[assignment]
    max_grad_norm: float | None = None  # type: ignore[assignment]
    normalize_advantages: bool | None = None  # type: ignore[assignment]
    bootstrap_truncation: bool | None = None  # type: ignore[assignment]
    widths: tuple[int, ...] | None = None  # type: ignore[assignment]
    core: str | None = None  # type: ignore[assignment]
    core_features: int | None = None  # type: ignore[assignment]
    coefficient: float | None = None  # type: ignore[assignment]
    normalize: str | None = None  # type: ignore[assignment]
    ridge: float | None = None  # type: ignore[assignment]
    features: int | None = None  # type: ignore[assignment]
    bonus_widths: tuple[int, ...] | None = None  # type: ignore[assignment]
    layer_norm: bool | None = None  # type: ignore[assignment]
    bonus_learning_rate: float | None = None  # type: ignore[assignment]
    bonus_epochs: int | None = None  # type: ignore[assignment]
    bonus_minibatches: int | None = None  # type: ignore[assignment]


def settings(config: Config) -> Settings:
    """What is given, else the published settings where asked for, else the defaults.

    Raises:
      ConfigError: for an unknown agent.
    """
    checks.one_of(config, AGENTS, "agent")
    names = [field.name for field in dataclasses.fields(Settings)]
    given = {name: getattr(config, name) for name in names if getattr(config, name) is not None}
    usual = {"clip": None} if config.agent == "impala" else {}
    preset = published.SETTINGS[config.agent] if config.published else {}
    return Settings(**{**usual, **preset, **given})


def full_name(config: Settings) -> str:
    """The environment's name, of the paper's tasks too."""
    return TASKS.get(config.env.lower(), config.env)


def check(config: Settings) -> None:
    """Refuses what the chosen agent or network has no use for.

    Raises:
      ConfigError: naming the field.
    """
    if config.agent == "impala" and config.clip is not None:
        wanted = "None with agent=impala, whose objective has no clip; agent=appo's has"
        raise ConfigError("clip", config.clip, wanted)
    useless = IMPALA_ONLY if config.agent == "ppo" else PPO_ONLY
    for name in UNUSED + useless:
        value, default = getattr(config, name), getattr(Settings, name)
        if not known(value) or value != default:
            why = f"agent={config.agent}" if name in useless else "NetHack's encoder"
            raise ConfigError(name, value, f"{default!r}: {why} has no use for it")


def build(config: Config) -> Experiment:
    """An agent on the games, with the chosen bonus added to its reward.

    Raises:
      ConfigError: for an unknown task or agent, or a task without NetHack's observations.
    """
    chosen = settings(config)
    check(chosen)
    options: dict[str, Any] = {} if config.workers is None else {"workers": config.workers}
    name = full_name(config)
    if not on_host(name) and maker(name) is None:
        meant = hint(name, [*TASKS, *registered()])
        raise ConfigError("env", config.env, f"environment {name!r} is not known: {meant}")
    env, params = agent_env(name, max_steps=config.max_steps, **options)
    observations, actions = env.observation_space(params), env.action_space(params)
    if not nethack.is_nethack(set(getattr(observations, "spaces", {}))):
        raise ConfigError("env", config.env, "an environment with NetHack's glyphs and blstats")
    encoder = _encoders(chosen)
    network = ActorCritic(
        encoder(chosen.widths),
        actions,
        core=chosen.core,
        core_features=chosen.core_features,
        values=ppo.number_of_values(chosen),
    )
    bonus = catalog.build(chosen, observations, actions, chosen.widths, encoder)
    if chosen.agent == "ppo":
        return ppo.make(env, params, chosen, bonus, network)
    names = [field.name for field in dataclasses.fields(impala.IMPALAConfig)]
    shared = {name: getattr(chosen, name) for name in names}
    return impala.make(env, params, impala.IMPALAConfig(**shared), bonus, network)


def _encoders(config: Settings) -> Callable[..., nethack.NetHackEncoder]:
    """`(widths, final) -> encoder`, of the policy and of the bonus alike."""
    preset = published.ENCODERS[config.agent] if config.published else {}

    def encoder(widths: tuple[int, ...], final: str | None = None) -> nethack.NetHackEncoder:
        options = {"final": "relu", **preset, "widths": widths}
        return nethack.NetHackEncoder(**(options if final is None else {**options, "final": final}))

    return encoder


EXPERIMENT = Spec(
    name="e3b_minihack",
    config=Config,
    build=build,
    summary="E3B and its baselines on MiniHack, real NetHack games on the host",
    paper="Henaff et al., Exploration via Elliptical Episodic Bonuses, NeurIPS 2022",
    settings=settings,
    environment=full_name,
    sweepable=tuple(name for name in SWEEPABLE if name != "num_contexts"),
)

if __name__ == "__main__":
    from jaxrl_suite.runner.cli import run_script

    run_script(EXPERIMENT)
