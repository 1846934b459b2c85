"""E3B on MiniHack (Henaff et al., NeurIPS 2022, arXiv 2210.05805, section 5.2).

    jaxrl run e3b_minihack --env MiniHack-MultiRoom-N2-v0 --seeds 2
    jaxrl run e3b_minihack --env MiniHack-MultiRoom-N2-v0 --seeds 2 --bonus none

Real NetHack games on the host pool, a recurrent policy, and a bonus from features that need no
knowledge of the game: E3B's embeddings of glyphs, status line and message by inverse dynamics. The
paper's 16 tasks go by short names (`--env freeze-horn`; see `TASKS`), its baselines by bonus:
`--bonus noveld@first_observation` is NovelD, `noveld@first_position` and `noveld@first_message` are
its hand-made variants, then `rnd`, `icm`, `ride` and `none`.

The defaults fit a few cores: a crop of 9 x 9 and small networks. `--published` takes the encoder of
the published faster variant (crop 16, no whole map), for a machine with an accelerator; give it
`--widths 1024 1024 --core lstm --core-features 1024 --features 1024` too. The agent is PPO; with
`--agent impala` it is APPO (PPO's objective on V-trace targets), and with `--clip None` too IMPALA, the
paper's.
"""

from __future__ import annotations

import dataclasses
from typing import Any

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
AGENTS = ("ppo", "impala")
# of the network of vectors and grids; of PPO
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
PUBLISHED: dict[str, Any] = {
    "crop": 16,
    "channels": (16, 16, 16, 16, 8),
    "embedding": 64,
    "message": "conv",
}


@dataclasses.dataclass(frozen=True)
class Config(catalog.Options, ppo.PPOConfig):
    """The bonus's settings, PPO's, and the games'.

    Attributes:
      agent: "ppo", or "impala" (V-trace targets; it refuses what is PPO's alone).
      rho_clip: V-trace's bound on the importance weights of the errors.
      trace_clip: its bound on the weights of the traces.
      clip: epsilon of the clipped objective; None with "impala" alone.
      env: a task of the paper by its short name, or any environment with NetHack's observations.
      max_steps: episode length, or None for the task's own.
      published: the published faster variant's network, for large machines.
      workers: processes that play the games; None for one a core.
    """

    bonus: str = "e3b"
    agent: str = "ppo"
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


def full_name(config: Config) -> str:
    """The environment's name, of the paper's tasks too."""
    return TASKS.get(config.env.lower(), config.env)


def build(config: Config) -> Experiment:
    """PPO on the games, with the chosen bonus added to its reward.

    Raises:
      ConfigError: for an unknown task or agent, or a task without NetHack's observations.
    """
    checks.one_of(config, AGENTS, "agent")
    if config.agent == "ppo" and config.clip is None:
        raise ConfigError("clip", None, "a number with agent=ppo")
    for name in UNUSED + (PPO_ONLY if config.agent == "impala" else ()):
        value, default = getattr(config, name), getattr(Config, name)
        if not known(value) or value != default:
            why = "agent=impala" if name in PPO_ONLY else "NetHack's encoder"
            raise ConfigError(name, value, f"{default!r}: {why} has no use for it")
    options: dict[str, Any] = {} if config.workers is None else {"workers": config.workers}
    env, params = agent_env(full_name(config), max_steps=config.max_steps, **options)
    observations, actions = env.observation_space(params), env.action_space(params)
    if not nethack.is_nethack(set(getattr(observations, "spaces", {}))):
        raise ConfigError("env", config.env, "an environment with NetHack's glyphs and blstats")

    def encoder(widths: tuple[int, ...], final: str = "relu") -> nethack.NetHackEncoder:
        options = {**(PUBLISHED if config.published else {}), "widths": widths, "final": final}
        return nethack.NetHackEncoder(**options)

    network = ActorCritic(
        encoder(config.widths),
        actions,
        core=config.core,
        core_features=config.core_features,
        values=ppo.number_of_values(config),
    )
    bonus = catalog.build(config, observations, actions, config.widths, encoder)
    if config.agent == "ppo":
        return ppo.make(env, params, config, bonus, network)
    names = [field.name for field in dataclasses.fields(impala.IMPALAConfig)]
    shared = {name: getattr(config, name) for name in names if hasattr(config, name)}
    return impala.make(env, params, impala.IMPALAConfig(**shared), bonus, network)


EXPERIMENT = Spec(
    name="e3b_minihack",
    config=Config,
    build=build,
    summary="E3B and its baselines on MiniHack, real NetHack games on the host",
    paper="Henaff et al., Exploration via Elliptical Episodic Bonuses, NeurIPS 2022",
    environment=full_name,
    sweepable=tuple(name for name in SWEEPABLE if name != "num_contexts"),
)

if __name__ == "__main__":
    from jaxrl_suite.runner.cli import run_script

    run_script(EXPERIMENT)
