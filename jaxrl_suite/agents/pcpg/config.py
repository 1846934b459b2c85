"""PC-PG's settings, and which of them work together."""

from __future__ import annotations

import dataclasses

from jaxrl_suite import checks
from jaxrl_suite.agents import networks
from jaxrl_suite.agents.pcpg import learners
from jaxrl_suite.experiment import ConfigError

MODES = ("explore", "reward")
MIXTURES = ("optimal", "adam", "uniform")
LEARNERS = {"ppo": learners.ppo, "npg": learners.npg}


@dataclasses.dataclass(frozen=True)
class PCPGConfig(networks.Options):
    """Settings of PC-PG; the defaults are small ones for the lock of 6 steps.

    Attributes:
      mode: "explore" without reward, then exploit; or "reward".
      explore_epochs: policies that join the cover beside the first, random one.
      exploit_epochs: epochs of the exploiting policy ("explore" only).
      loops: policy gradient updates of an epoch.
      episodes: episodes of each.
      groups: parts of these episodes; each part is rolled in by one policy of the cover.
      density_episodes: episodes that say what a policy has seen.
      roll_in: share of the groups that are rolled in by the cover.
      eps: probability that the first action after a roll-in is uniform.
      features: phi: "identity", "fourier", "random", "centred" or "inverse" (`features`).
      feature_dim: D.
      ridge: lambda.
      coefficient: c.
      max_reward: r_max, multiplies c; the largest reward where both are learned from.
      mixture: weights of the cover: "optimal", "adam" (as released) or "uniform".
      learner: "ppo" or "npg".
      passes: over the steps of a loop.
      minibatch_size: steps of a gradient step.
      exploit_minibatch_size: of the exploiting policy, or None for the same ("explore" only).
      learning_rate: of RMSProp.
      discount: gamma.
      gae_lambda: lambda of the advantage estimates.
      clip: epsilon of PPO's objective.
      entropy: weight of its entropy bonus.
      max_grad_norm: gradients are scaled to this global norm.
      kl: step length of NPG.
      cg_iterations: of its conjugate gradients.
      damping: of these.
      eval_episodes: episodes of one evaluation.
    """

    activation: str = "relu"
    mode: str = "explore"
    explore_epochs: int = 3
    exploit_epochs: int = 5
    loops: int = 30
    episodes: int = 500
    groups: int = 25
    density_episodes: int = 500
    roll_in: float = 1.0
    eps: float = 0.05
    features: str = "identity"
    feature_dim: int = 64
    ridge: float = 0.01
    coefficient: float = 1.0
    max_reward: float = 1.0
    mixture: str = "optimal"
    learner: str = "ppo"
    passes: int = 5
    minibatch_size: int = 160
    exploit_minibatch_size: int | None = None
    learning_rate: float = 2e-3
    discount: float = 0.99
    gae_lambda: float = 0.95
    clip: float = 0.2
    entropy: float = 0.01
    max_grad_norm: float = 0.5
    kl: float = 0.01
    cg_iterations: int = 10
    damping: float = 1e-3
    eval_episodes: int = 100


def check(config: PCPGConfig) -> None:
    """Refuses settings that cannot work.

    Raises:
      ConfigError: naming the field.
    """
    for name, choices in (
        ("mode", MODES),
        ("mixture", MIXTURES),
        ("learner", tuple(LEARNERS)),
        ("core", ("none",)),
    ):
        checks.one_of(config, choices, name)
    networks.check(config)
    checks.at_least(config, 1 if config.mode == "explore" else 0, "exploit_epochs")
    checks.at_least(config, 1, "explore_epochs", "loops", "episodes", "groups", "density_episodes")
    checks.at_least(config, 1, "passes", "minibatch_size", "cg_iterations", "eval_episodes")
    checks.within(config, 0, 1, "roll_in", "eps", "discount", "gae_lambda")
    checks.above(config, 0, "ridge", "damping", "kl", "clip", "max_grad_norm", "learning_rate")
    checks.at_least(config, 0, "coefficient", "max_reward", "entropy")
    if config.episodes % (2 * config.groups):
        raise ConfigError("groups", config.groups, f"half a divisor of episodes={config.episodes}")
    if config.roll_in > 0 and not round(config.roll_in * config.groups):
        least = f"0, or at least {0.5 / config.groups:g}: one of {config.groups} groups rolls in"
        raise ConfigError("roll_in", config.roll_in, least)
    if config.exploit_minibatch_size is not None:
        checks.at_least(config, 1, "exploit_minibatch_size")
        if config.mode != "explore":
            size = config.exploit_minibatch_size
            raise ConfigError("exploit_minibatch_size", size, "None with mode='reward'")
    if config.learner == "npg" and config.separate_critic is False:
        raise ConfigError("separate_critic", False, "None or True with learner='npg'")
