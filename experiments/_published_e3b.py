"""E3B's published settings on MiniHack, by agent: what `jaxrl run e3b_minihack --published` sets.

`FASTER` is the authors' Sample Factory port (facebookresearch/e3b, `minihack/sample-factory`): a crop
of 16 x 16 without the whole map, two convolutions, a smaller network for the message, layer
normalisation, 800 games (40 workers of 20). Of its sweep over entropies {0.3, 0.1, 0.03, 0.01} and
coefficients {0.1, 0.03, 0.01, 0.003} the third of each is taken. `PAPER` is the paper's IMPALA
(`minihack/torchbeast`): crop of 9 x 9 and the whole map, 256 games, batches of 8 unrolls of 80 steps.

TorchBeast sums its losses over time where here they are means: its bound of 40 on gradients and
RMSprop's epsilon of 1e-5 are divided by 80. Left out: the clip of the reward to [-1, 1] and ReLU on the
embeddings of `PAPER`; of `FASTER` the clip of values to 1 around the old ones and Adam's epsilon of
1e-6. Both gather rollouts while they learn; here learning waits for a whole one of all games.
"""

from __future__ import annotations

from typing import Any

from jaxrl_suite.networks import nethack

FASTER: dict[str, Any] = {
    "total_steps": 50_000_000,
    "num_envs": 800,
    "rollout_length": 128,
    "epochs": 1,
    "minibatches": 25,  # of 4,096 steps
    "learning_rate": 2.5e-4,
    "discount": 0.99,
    "gae_lambda": 0.95,
    "clip": 0.1,
    "value_coefficient": 1.0,  # half the squared error here, all of it there
    "entropy": 0.03,
    "max_grad_norm": 4.0,
    "normalize_advantages": True,
    "widths": (256, 256),
    "core": "lstm",
    "core_features": 128,
    "coefficient": 0.01,
    "normalize": "std",
    "ridge": 0.1,
    "features": 256,
    "bonus_widths": (256,),
    "layer_norm": True,
    "bonus_learning_rate": 2.5e-4,
    "bonus_epochs": 1,
    "bonus_minibatches": 25,
}
PAPER: dict[str, Any] = {
    "total_steps": 50_000_000,
    "num_envs": 256,
    "rollout_length": 80,
    "epochs": 1,
    "minibatches": 32,  # of 8 games
    "optimizer": "rmsprop",
    "epsilon": 1e-5 / 80,
    "learning_rate": 1e-4,
    "discount": 0.99,
    "gae_lambda": 1.0,
    "value_coefficient": 0.5,
    "entropy": 0.005,
    "max_grad_norm": 40.0 / 80,
    "normalize_advantages": False,
    "widths": (1024, 1024),
    "core": "lstm",
    "core_features": 1024,
    "coefficient": 1.0,
    "normalize": "release",
    "ridge": 0.1,
    "features": 1024,
    "bonus_widths": (1024,),
    "layer_norm": False,
    "bonus_learning_rate": 1e-4,
    "bonus_epochs": 1,
    "bonus_minibatches": 32,
}
# "ppo" alone has the option
SETTINGS = {"ppo": {**FASTER, "bootstrap_truncation": False}, "appo": FASTER, "impala": PAPER}
ENCODERS = {"ppo": nethack.FASTER, "appo": nethack.FASTER, "impala": nethack.PUBLISHED}
