"""HOMER as one `Experiment`: an update is one level of exploration, then one step of planning.

The first H - 1 updates go forward. Update h gathers transitions (x_{h-1}, a, x_h) behind the cover of
level h - 1, learns an abstraction phi_h, and a homing policy for each of its codes (algorithm 1 of
Misra et al.). The last H updates go backward: policy search by dynamic programming (PSDP, Bagnell et
al., 2003) on the true reward, which at step t explores behind the cover of level t and rolls out what
it has learned for the later steps. Exploration never sees a reward.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from envs.core import Environment
from envs.wrappers import select
from jaxrl_suite import checks, evaluation
from jaxrl_suite.agents.homer import abstraction, policies
from jaxrl_suite.agents.homer.abstraction import Decoder
from jaxrl_suite.agents.homer.policies import Cover, Sample
from jaxrl_suite.experiment import ConfigError, Experiment, Mean

ABSTRACTIONS, HOMING = ("learned", "random", "oracle"), ("gps", "psdp")


@dataclasses.dataclass(frozen=True)
class HomerConfig:
    """Settings of HOMER; the defaults are for locks of some ten steps.

    Attributes:
      samples: n, episodes gathered in every update.
      codes: N, of an abstraction, and homing policies of a level.
      abstraction: "learned" by the classifier; "random", an untrained one; "oracle", the true state.
      homing: how homing policies are learned: "gps" (greedy policy search: the last step is fitted on
        the samples at hand and put behind the best stored policy) or "psdp" (all steps, backward, on
        fresh episodes: N n more of them for every step of a level).
      tries: most fits of a classifier whose held-out loss stays at chance (`abstraction.ACCEPTED`).
      classifier_steps: gradient steps before and after the bottleneck becomes discrete.
      batch_size: real transitions of such a step, and as many impostors.
      learning_rate: of Adam.
      decay: of the classifier's two linear maps (AdamW); without it, it takes several times as many
        samples to tell states from noise.
      ridge: of the policies' regressors, relative to the mean square of an observation.
      eval_episodes: of one evaluation.
    """

    samples: int = 500
    codes: int = 2
    abstraction: str = "learned"
    homing: str = "gps"
    tries: int = 10
    classifier_steps: tuple[int, int] = (400, 800)
    batch_size: int = 128
    learning_rate: float = 1e-3
    decay: float = 3.0
    ridge: float = 1e-3
    eval_episodes: int = 100


class HomerState(NamedTuple):
    """Everything a run carries from update to update.

    Attributes:
      env_params: the run's environment.
      cover: homing policies of all levels.
      decoder: `[H, D, N]` and `[H, N]`, phi of every level (level 0 has none).
      plan: `[H, D + 1, A]`, the policy for the true reward.
      episodes: `[]` float32, episodes begun.
      key: random key.
      count: `[]` int32, updates done.
    """

    env_params: Any
    cover: Cover
    decoder: Decoder
    plan: jax.Array
    episodes: jax.Array
    key: jax.Array
    count: jax.Array  # type: ignore[assignment]


def check(config: HomerConfig) -> None:
    """Refuses settings that cannot work.

    Raises:
      ConfigError: naming the field.
    """
    checks.at_least(config, 10, "samples")
    checks.at_least(config, 2, "codes")
    checks.at_least(config, 1, "tries", "batch_size", "eval_episodes")
    checks.one_of(config, ABSTRACTIONS, "abstraction")
    checks.one_of(config, HOMING, "homing")
    checks.above(config, 0.0, "ridge", "learning_rate")
    checks.at_least(config, 0.0, "decay")
    if len(config.classifier_steps) != 2 or min(config.classifier_steps) < 0:
        raise ConfigError("classifier_steps", config.classifier_steps, "two numbers from 0 on")


def make(env: Environment, env_params: Any, config: HomerConfig) -> Experiment:
    """HOMER on an environment without auto-reset, of discrete actions, whose episodes have one length
    (`env.fixed_length` says so).

    Where the environment knows its true states (`place_classes`, as `envs.lock` does), metrics
    compare the abstraction with them.

    Raises:
      ConfigError: for settings that cannot work.
    """
    check(config)
    space = env.observation_space(env_params)
    if not hasattr(env.action_space(env_params), "n") or len(getattr(space, "shape", ())) != 1:
        raise ConfigError("env", env.name, "one of vector observations and discrete actions")
    horizon, size = evaluation.horizon(env), space.shape[0]  # type: ignore[union-attr]
    actions, n, codes = env.action_space(env_params).n, config.samples, config.codes  # type: ignore[union-attr]
    if horizon < 2:
        raise ConfigError("env", env.name, "one whose episodes have at least 2 steps")
    classes = getattr(env, "place_classes", None)
    if config.abstraction == "oracle":
        if classes is None:
            raise ConfigError("abstraction", "oracle", f"not for {env.name}, which shows no state")
        if codes <= max(classes):
            raise ConfigError("codes", codes, f"at least {max(classes) + 1} for the oracle")
    if not env.fixed_length:
        right = "one whose episodes all have one length (`fixed_length`), as those of locks"
        raise ConfigError("env", env.name, right)
    slots = codes if config.homing == "gps" else codes * horizon
    classifier = abstraction.Classifier(codes, actions)
    table = jnp.asarray(classes if classes is not None else (0,))

    def init(key: jax.Array) -> HomerState:
        lock_key, key = jax.random.split(key)
        shape = (horizon, slots, size + 1, actions)
        return HomerState(
            env_params=env.refresh(lock_key, env_params),
            cover=Cover(jnp.zeros(shape), jnp.zeros((horizon, codes, horizon), jnp.int32)),
            decoder=Decoder(jnp.zeros((horizon, size, codes)), jnp.zeros((horizon, codes))),
            plan=jnp.zeros((horizon, size + 1, actions)),
            episodes=jnp.float32(0),
            key=key,
            count=jnp.int32(0),
        )

    def fit(x: jax.Array, action: jax.Array, target: jax.Array) -> jax.Array:
        return policies.ridge_regression(x, action, target, actions, config.ridge)

    def learn(
        key: jax.Array, sample: Sample, exploring: jax.Array
    ) -> tuple[Decoder, jax.Array, jax.Array]:
        """phi of the next step, how well its classifier does, and which try it is."""
        if config.abstraction != "learned":
            kernel = jax.random.normal(key, (size, codes)) / size**0.5
            return Decoder(kernel, jnp.zeros(codes)), jnp.float32(0), jnp.int32(0)
        # loops of no steps, not a `cond`: under vmap over seeds that would do both
        steps = jnp.asarray(config.classifier_steps) * exploring
        data = abstraction.Transitions(sample.x, sample.action, sample.following)
        how = steps, config.batch_size, config.learning_rate, config.decay
        return abstraction.first_accepted(
            key,
            lambda key: abstraction.fit(key, data, classifier, *how),
            jnp.where(exploring, config.tries, 1),
        )

    def label(decoder: Decoder, observation: jax.Array, place: jax.Array) -> jax.Array:
        """`[n]` int32, phi of observations; the oracle looks at the true states."""
        return table[place] if config.abstraction == "oracle" else decoder.codes(observation)

    def home_by_psdp(
        key: jax.Array, state: HomerState, decoder: Decoder, last: jax.Array, level: jax.Array
    ) -> jax.Array:
        """`[N, H, D + 1, A]`: homing policies to step `level + 1`, whose last step is `last`.

        For t = level - 1, ..., 0 and all codes i at once: Q_t(x, a) regresses 1[phi(x_{level+1}) = i]
        on (x_t, a_t), where a_t is uniform and the later actions are those learned.
        """

        def back(j: jax.Array, tails: jax.Array) -> jax.Array:
            t = level - 1 - j

            def one(key: jax.Array, tail: jax.Array, code: jax.Array) -> jax.Array:
                sample = policies.gather(
                    key, env, state.env_params, state.cover, t, lambda s: tail[s], level + 1, n
                )
                reached = label(decoder, sample.end, sample.end_place) == code
                return tail.at[t].set(fit(sample.x, sample.action, reached[:, None] * 1.0)[0])

            keys = jax.random.split(jax.random.fold_in(key, j), codes)
            return jax.vmap(one)(keys, tails, jnp.arange(codes))

        first = jnp.zeros((codes, horizon, size + 1, actions)).at[:, level].set(last)
        return jax.lax.fori_loop(0, level, back, first)

    def update(state: HomerState) -> tuple[HomerState, dict[str, Any]]:
        gather_key, fit_key, home_key, key = jax.random.split(state.key, 4)
        exploring = state.count < horizon - 1
        level = jnp.where(exploring, state.count, 2 * horizon - 2 - state.count)
        end = jnp.where(exploring, level + 1, horizon)
        sample = policies.gather(
            gather_key, env, state.env_params, state.cover, level, lambda t: state.plan[t], end, n
        )
        decoder, loss, tries = learn(fit_key, sample, exploring)
        found = label(decoder, sample.following, sample.next_place)
        gain = sample.episode_return[:, None]
        target = jnp.where(exploring, jax.nn.one_hot(found, codes), gain)
        weights = fit(sample.x, sample.action, target)

        after = jnp.minimum(level + 1, horizon - 1)  # the level explored
        bank, path = state.cover
        if config.homing == "gps":
            prefix = path[level, policies.best_prefix(weights, sample, codes)]
            home = Cover(
                bank.at[level].set(weights),
                path.at[after].set(prefix.at[:, level].set(jnp.arange(codes))),
            )
            begun = jnp.float32(n)
        else:
            tails = home_by_psdp(home_key, state, decoder, weights, level * exploring)
            place = after * codes + jnp.arange(codes)
            own = jnp.broadcast_to(place[:, None], (codes, horizon))
            home = Cover(bank.at[:, place].set(jnp.swapaxes(tails, 0, 1)), path.at[after].set(own))
            begun = n * (1.0 + codes * level * exploring)
        decoders = jax.tree.map(lambda all, one: all.at[after].set(one), state.decoder, decoder)
        state = state._replace(
            cover=select(exploring, home, state.cover),
            decoder=select(exploring, decoders, state.decoder),
            plan=jnp.where(exploring, state.plan, state.plan.at[level].set(weights[0])),
            episodes=state.episodes + begun,
            key=key,
            count=state.count + 1,
        )
        metrics: dict[str, Any] = {"level": level, "episodes": state.episodes}
        if config.abstraction == "learned":
            metrics["classifier_loss"] = Mean.where(loss, exploring)
            metrics["classifier_tries"] = Mean.where(tries.astype(jnp.float32), exploring)
        if classes is not None:
            score = abstraction.agreement(
                found, table[sample.next_place], (codes, max(classes) + 1)
            )
            metrics["agreement"] = Mean.where(score, exploring)
        return state, metrics

    def act(state: HomerState) -> evaluation.Act:
        """The planned policy; its memory is the number of steps taken."""

        def choose(key: jax.Array, memory: Any, observation: jax.Array, reset: jax.Array) -> Any:
            now = jnp.where(reset, 0, memory)
            regressors = state.plan[jnp.minimum(now, horizon - 1)]
            q = jnp.einsum("nd,nda->na", policies.with_one(observation), regressors)
            return now + 1, jnp.argmax(q, -1)

        return choose

    def evaluate(key: jax.Array, state: HomerState) -> dict[str, Any]:
        number = config.eval_episodes
        memory = jnp.zeros(number, jnp.int32)
        found = evaluation.episodes(key, env, state.env_params, act(state), memory, number)
        if hasattr(env, "optimal_value"):
            best = env.optimal_value(state.env_params)
            found |= {"success": (found["return"] >= best / 2).astype(jnp.float32)}
        return found | {"episodes": state.episodes}

    def play(key: jax.Array, state: HomerState) -> Iterator[evaluation.Moment]:
        memory = jnp.zeros(1, jnp.int32)
        return evaluation.play(key, env, state.env_params, act(state), memory)

    explored = (horizon - 1) * n
    if config.homing == "psdp":
        explored += codes * n * (horizon - 1) * (horizon - 2) // 2
    num_updates = 2 * horizon - 1
    return Experiment(
        init=init,
        update=update,
        num_updates=num_updates,
        steps_per_update=(explored + horizon * n) * horizon // num_updates,
        evaluate=evaluate,
        play=play,
        headline=("agreement", "classifier_loss", "eval/return"),
    )


def covering(
    key: jax.Array, env: Environment, state: HomerState, level: jax.Array, number: int
) -> Sample:
    """`number` fresh episodes behind the cover of a level and a uniform action there, to look at."""
    last = level + 1
    return policies.gather(
        key, env, state.env_params, state.cover, level, lambda t: state.plan[t], last, number
    )
