"""The options by which most scripts choose their environment, and the environment of such options."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import envs
from envs.host.catalogue import on_host
from envs.options import split_name
from jaxrl_suite import checks
from jaxrl_suite.experiment import ConfigError

NEXT = "agents need the next episode"


@dataclasses.dataclass(frozen=True)
class Task:
    """What `envs.make` is asked for.

    Attributes:
      env: name of an environment (`jaxrl list`), or `gym:NAME`.
      auto_reset: "exact", "bank", or None for the environment's default.
      max_steps: episode length, or None for the environment's own.
      noise: random bits added to every observation.
      num_contexts: number of fixed levels, or None for a new level every episode.
    """

    env: str = "CartPole-v1"
    auto_reset: str | None = None
    max_steps: int | None = None
    noise: int = 0
    num_contexts: int | None = None


def make_env(config: Any, bank_size: int | None = None) -> tuple[Any, Any]:
    """The environment a config asks for; its bank holds `config.num_envs` levels unless told.

    Raises:
      ConfigError: as `agent_env`.
    """
    if bank_size is None:
        checks.at_least(config, 1, "num_envs")
    if config.auto_reset == "none":
        raise ConfigError("auto_reset", "none", f"'exact', 'bank' or None: {NEXT}")
    return agent_env(
        config.env,
        bank_size=config.num_envs if bank_size is None else bank_size,
        auto_reset=config.auto_reset,
        max_steps=config.max_steps,
        noise=config.noise,
        num_contexts=config.num_contexts,
    )


def agent_env(
    name: str, defaults: Mapping[str, Any] | None = None, **options: Any
) -> tuple[Any, Any]:
    """`envs.make(name, **options)` for agents that play on through the ends of episodes.

    A `bank_size` in the name goes before the one given, and so do other options before `defaults`.

    Raises:
      ConfigError: for a name or an option that `envs.make` refuses, and an environment that would not
        begin its next episode by itself or tell of its episodes.
    """
    try:
        inside = split_name(name)[1]
        if inside.get("auto_reset") == "none" and not on_host(name):  # which has no such option
            raise ValueError(f"auto_reset='none': 'exact' or 'bank': {NEXT}")
        if inside.get("log") is False:
            raise ValueError("log=False: leave it out: agents read their episodes from it")
        if "bank_size" in inside:
            options.pop("bank_size", None)
        options |= {key: value for key, value in (defaults or {}).items() if key not in inside}
        return envs.make(name, **options)
    except ValueError as error:
        raise ConfigError("env", name, str(error)) from None
    except OverflowError:
        raise ConfigError("env", name, "smaller numbers: 32 bits cannot hold its sizes") from None


def bare_env(name: str, **options: Any) -> tuple[Any, Any]:
    """`envs.make(name, **options)` for agents that begin every episode themselves.

    Raises:
      ConfigError: for a name or an option that `envs.make` refuses; games on the host reset
        themselves and are refused too.
    """
    try:
        return envs.make(name, auto_reset="none", log=False, **options)
    except ValueError as error:
        raise ConfigError("env", name, str(error)) from None
