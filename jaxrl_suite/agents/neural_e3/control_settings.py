"""Settings of Neural-E3 on deterministic tasks, and what they must fulfil."""

from __future__ import annotations

import dataclasses

from jaxrl_suite import checks
from jaxrl_suite.agents.neural_e3 import frontier
from jaxrl_suite.experiment import ConfigError


@dataclasses.dataclass(frozen=True)
class ControlConfig(frontier.SearchConfig):
    """Settings; the paper's are in brackets where they differ.

    Attributes:
      vertices: N, of a search [5000].
      expand: B, vertices expanded at once [1].
      deepest: steps of the longest plan.
      top: share of the best vertices, of which an exploring plan is drawn.
      episodes: real episodes of a run.
      together: of them played side by side in an update, an epoch of the paper.
      random_episodes: at the start, by random actions.
      explore: "models" or "uniform".
      exploit: "q" or "plan", how evaluated episodes choose their actions.
      members: E.
      width: of the models' layers; the channels of a board's.
      model_updates: gradient steps of the models after each update's episodes [2000 to 4000].
      model_batch: segments of one, for each member [64].
      model_rate: of their Adam.
      segment: T, steps that the models predict in a row from one true state [20].
      recent: share of the segments that come from the update's own episodes.
      rewarded: share that ends at the largest reward so far.
      reward_weight: of the error in the reward [1; mazes 0.01].
      q_widths: layers of the DQN.
      q_updates: its gradient steps after each update's episodes [750,000 in all].
      q_batch: transitions of one.
      q_rate: of its Adam [3e-5].
      q_rewarded: share of the transitions that lies within T steps of the largest reward so far.
      q_sync: steps between copies of its network [5000].
      discount: gamma [1].
      eval_episodes: of one evaluation.
    """

    episodes: int = 100
    together: int = 10
    random_episodes: int = 10
    explore: str = "models"
    exploit: str = "q"
    members: int = 8
    width: int = 64
    model_updates: int = 500
    model_batch: int = 32
    model_rate: float = 1e-3
    segment: int = 10
    recent: float = 0.5
    rewarded: float = 0.25
    reward_weight: float = 1.0
    q_widths: tuple[int, ...] = (64, 64)
    q_updates: int = 20_000
    q_batch: int = 64
    q_rate: float = 2e-3
    q_rewarded: float = 0.1
    q_sync: int = 250
    discount: float = 0.99
    eval_episodes: int = 20


def check(config: ControlConfig) -> None:
    """Refuses settings that cannot work.

    Raises:
      ConfigError: naming the field.
    """
    checks.at_least(config, 1, "expand", "deepest", "episodes", "together", "width")
    checks.at_least(config, 1, "model_updates", "model_batch", "segment", "q_updates", "q_batch")
    checks.at_least(config, 1, "q_sync", "eval_episodes")
    checks.at_least(config, 0, "random_episodes", "reward_weight")
    checks.at_least(config, 2, "members")  # which can disagree
    checks.above(config, 0.0, "model_rate", "q_rate", "top")
    checks.within(config, 0.0, 1.0, "discount", "recent", "rewarded", "q_rewarded", "top")
    checks.sizes(config, "q_widths")
    checks.one_of(config, ("models", "uniform"), "explore")
    checks.one_of(config, ("q", "plan"), "exploit")
    if config.vertices < 2:
        raise ConfigError("vertices", config.vertices, "at least 2, the state itself and one more")
    if config.expand > config.vertices:
        raise ConfigError("expand", config.expand, f"at most the {config.vertices} vertices")
    if config.recent + config.rewarded > 1:
        most = f"at most 1 - recent = {1 - config.recent:g}"
        raise ConfigError("rewarded", config.rewarded, most)
    if config.together > config.episodes:
        raise ConfigError("together", config.together, f"at most the {config.episodes} episodes")
