"""Settings of Neural-E3 on a task of fixed length, and what they must fulfil."""

from __future__ import annotations

import dataclasses

from jaxrl_suite import checks
from jaxrl_suite.agents.neural_e3 import playouts
from jaxrl_suite.experiment import ConfigError


@dataclasses.dataclass(frozen=True)
class FiniteConfig(playouts.PlayoutConfig):
    """Settings; the paper's are in brackets where they differ.

    Attributes:
      playouts: K, of a round of planning [200].
      rounds: how many [1, of a tree].
      particles: P, of each member [100].
      kept: of the best playouts that a round begins with.
      distance: "l2" or "l1", of predictions [l1].
      episodes: real episodes of a run.
      together: of them played side by side in an update [1].
      capacity: episodes that are kept.
      explore: "models" or "uniform".
      exploit: "q" or "plan", how evaluated episodes choose their actions.
      random_episodes: at the start, by random actions.
      members: E.
      width: of the models' layers.
      scale: deviation of the first layer's initial weights.
      model_updates: gradient steps of the models after each update's episodes [100 each].
      model_batch: transitions of one, for each member.
      model_rate: of their Adam [0.01].
      member_share: share of the episodes that a member ever sees.
      q_widths: layers of the DQN [50, 50].
      q_updates: its gradient steps after each update's episodes [2000].
      q_batch: transitions of one.
      q_rate: of its Adam [1e-4].
      q_sync: steps between copies of its network [1000].
      discount: gamma.
      eval_episodes: of one evaluation.
    """

    episodes: int = 500
    together: int = 5
    capacity: int = 2_000
    explore: str = "models"
    exploit: str = "q"
    random_episodes: int = 5
    members: int = 5
    width: int = 50
    scale: float = 0.3
    model_updates: int = 100
    model_batch: int = 32
    model_rate: float = 1e-3
    member_share: float = 1.0
    q_widths: tuple[int, ...] = (64, 64)
    q_updates: int = 100
    q_batch: int = 100
    q_rate: float = 1e-3
    q_sync: int = 100
    discount: float = 0.99
    eval_episodes: int = 20


def check(config: FiniteConfig) -> None:
    """Refuses settings that cannot work.

    Raises:
      ConfigError: naming the field.
    """
    names = ("episodes", "together", "capacity", "playouts", "rounds", "particles", "kept", "width")
    checks.at_least(config, 1, *names, "model_updates", "model_batch", "q_updates", "q_batch")
    checks.at_least(config, 1, "q_sync", "eval_episodes")
    checks.at_least(config, 0, "random_episodes", "scale")
    checks.at_least(config, 2, "members")  # which can disagree
    checks.above(config, 0.0, "model_rate", "q_rate")
    checks.within(config, 0.0, 1.0, "discount")
    checks.sizes(config, "q_widths")
    checks.one_of(config, ("models", "uniform"), "explore")
    checks.one_of(config, ("q", "plan"), "exploit")
    checks.one_of(config, ("l2", "l1"), "distance")
    if config.kept > config.playouts:
        raise ConfigError("kept", config.kept, f"at most the {config.playouts} playouts")
    if config.together > config.episodes:
        raise ConfigError("together", config.together, f"at most episodes={config.episodes}")
    if config.together > config.capacity:
        raise ConfigError("capacity", config.capacity, f"at least together={config.together}")
    checks.share(config, "member_share")
