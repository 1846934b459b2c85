"""PC-PG (Agarwal, Henaff, Kakade and Sun, NeurIPS 2020, arXiv 2007.08459).

An update is an epoch n of the algorithm:

1. Sigma = ridge I + sum of phi phi^T over all states that any policy of the cover has seen, and
   b(s, a) = sqrt(phi^T Sigma^-1 phi), which stays as it is for the epoch;
2. `loops` times: episodes that the cover rolls in (`episodes`), then a policy gradient step
   (`learners`) on c H b, or on r + c r_max H b;
3. `density_episodes` of the new policy from the start: its sum of phi phi^T, and its return;
4. the policy joins the cover, and the mixture's weights maximise log det sum_i w_i Sigma_i (`design`).

With `mode="explore"` (the released PCPG agent) the cover is built without any reward; after
`explore_epochs` a fresh policy learns the reward alone, rolled in by the finished cover, for
`exploit_epochs`. With `mode="reward"` (its PCPG2) the one policy learns both. Either way the policy
with the best return over its density episodes is the result.

`mixture="uniform"` and `roll_in=0` leave out the two ideas of the cover, one at a time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from envs.core import Environment
from envs.wrappers import select
from jaxrl_suite import distributions, evaluation, gae, losses
from jaxrl_suite.agents import acting, networks
from jaxrl_suite.agents.pcpg import cover as covers
from jaxrl_suite.agents.pcpg import design, episodes, features, learners
from jaxrl_suite.agents.pcpg.config import LEARNERS, PCPGConfig, check
from jaxrl_suite.agents.pcpg.cover import Cover
from jaxrl_suite.experiment import Experiment
from jaxrl_suite.exploration.bonus import Transitions


class PCPGState(NamedTuple):
    """Everything a run carries from epoch to epoch.

    Attributes:
      params, opt_state: of the policy that learns.
      env_params: of the environment.
      cover: the policies before it.
      features: state of phi.
      kept: of learned features: each policy's density episodes, pytree of `[C, H, M, ...]`; else ().
      untrained: parameters that the exploiting policy begins with.
      best_params, best_return: of the result so far.
      design: how the present weights were found.
      key: random key.
      count: `[]` int32, epochs done.
    """

    params: Any
    opt_state: Any
    env_params: Any
    cover: Cover
    features: Any
    kept: Any
    untrained: Any
    best_params: Any
    best_return: jax.Array
    design: design.Design
    key: jax.Array
    count: jax.Array  # type: ignore[assignment]


def make(env: Environment, env_params: Any, config: PCPGConfig) -> Experiment:
    """PC-PG on an environment without auto-reset.

    Args:
      env, env_params: as `envs.make(..., auto_reset="none", log=False)` returns them.
      config: the settings.

    Raises:
      ConfigError: for settings that cannot work.
    """
    check(config)
    observation_space = env.observation_space(env_params)
    action_space = env.action_space(env_params)
    if config.learner == "npg":  # values learnt in a shared encoder would move the policy too
        config = dataclasses.replace(config, separate_critic=True)
    network = networks.build(observation_space, action_space, config)
    phi = features.make(config.features, config.feature_dim, observation_space, action_space)
    horizon = evaluation.horizon(env)
    groups, size = config.groups, config.episodes // config.groups
    rolled = round(config.roll_in * groups)
    kept_steps = episodes.own_steps(groups, size, horizon, rolled)
    exploring = config.mode == "explore"
    capacity = config.explore_epochs + 1
    num_updates = config.explore_epochs + (config.exploit_epochs if exploring else 0)

    def forward(params: Any, observation: Any) -> tuple[Any, jax.Array]:
        _, outputs, value = network.apply(params, (), observation, None)  # type: ignore[misc]
        return outputs, value

    def policy(params: Any) -> episodes.Policy:
        def act(observation: Any) -> tuple[Any, jax.Array]:
            outputs, value = forward(params, observation)
            return distributions.policy(action_space, outputs), value

        return act

    learner = LEARNERS[config.learner](forward, action_space, config)
    exploiter = learner
    if config.exploit_minibatch_size is not None:
        other = dataclasses.replace(config, minibatch_size=config.exploit_minibatch_size)
        exploiter = LEARNERS[config.learner](forward, action_space, other)

    def fresh(key: jax.Array) -> Any:
        example = observation_space.sample(key)
        return network.init(key, (), jax.tree.map(lambda x: x[None], example), None)

    def gather(key: jax.Array, params: Any, env_params: Any, number: int, **how: Any) -> Any:
        return episodes.gather(
            key, env, env_params, action_space, policy(params), number, horizon, **how
        )

    def flat(x: jax.Array) -> jax.Array:
        return x.reshape(-1, *x.shape[2:])

    def seen(state: Any, steps: Transitions) -> jax.Array:
        return phi.apply(state, steps.observation, steps.action)

    def bonus_of(state: PCPGState, inverse_root: jax.Array, steps: Transitions) -> jax.Array:
        """c H b of steps `[K]`."""
        b = covers.bonus(inverse_root, seen(state.features, steps))
        return config.coefficient * config.max_reward * horizon * b

    def learned_from(found: episodes.Episodes) -> jax.Array:
        """Which of the flat steps a batch has, `[K]` int32: the learner's own come first."""
        return jnp.argsort(~found.own.reshape(-1), stable=True)[:kept_steps]

    def roll_in(key: jax.Array, cover: Cover) -> episodes.RollIn:
        draw_key, start_key = jax.random.split(key)
        _, params = covers.draw(draw_key, cover, rolled, groups)

        def act(key: jax.Array, observation: Any) -> jax.Array:
            parts = jax.tree.map(lambda x: x.reshape(groups, size, *x.shape[1:]), observation)
            outputs, _ = jax.vmap(forward)(params, parts)
            outputs = jax.tree.map(lambda x: x.reshape(groups * size, *x.shape[2:]), outputs)
            return distributions.policy(action_space, outputs).sample(seed=key)

        mixed = jnp.repeat(jnp.arange(groups) < rolled, size)
        start = episodes.starts(start_key, groups, size, horizon, rolled)
        return episodes.RollIn(act, start, config.eps * mixed)

    def batch_of(found: episodes.Episodes, reward: jax.Array, order: jax.Array) -> learners.Batch:
        """The steps `order` of the flat ones, `[K]`."""
        steps, value = found.steps, found.value
        known = reward, value, found.next_value, steps.terminated, steps.done.at[-1].set(True)
        advantage = gae.advantages(*known, config.discount, config.gae_lambda)
        acted = steps.observation, steps.action, found.log_prob
        weight = found.own.astype(jnp.float32)
        whole = learners.Batch(*acted, advantage, advantage + value, weight)
        return jax.tree.map(lambda x: flat(x)[order], whole)

    def optimise(key: jax.Array, state: PCPGState, reward_free: jax.Array) -> Any:
        inverse_root = covers.inverse_root(state.cover)

        def loop(carry: Any, key: jax.Array) -> Any:
            params, opt_state = carry
            roll_key, gather_key, learn_key = jax.random.split(key, 3)
            how = {"roll_in": roll_in(roll_key, state.cover)} if rolled else {}
            found = gather(gather_key, params, state.env_params, config.episodes, **how)
            paid, order = found.steps.reward, learned_from(found)
            own = jax.tree.map(lambda x: flat(x)[order], found.steps)
            extra = jnp.zeros(paid.size).at[order].set(bonus_of(state, inverse_root, own))
            extra = extra.reshape(paid.shape)
            reward = jnp.where(reward_free, extra, paid) if exploring else paid + extra
            batch = batch_of(found, reward, order)
            learn = learner.update
            if exploiter is not learner:
                learn = learners.either(reward_free, learn, exploiter.update)
            params, opt_state, metrics = learn(learn_key, params, opt_state, batch)
            metrics["bonus"] = losses.weighted_mean(extra, found.own)
            return (params, opt_state), metrics

        keys = jax.random.split(key, config.loops)
        (params, opt_state), metrics = jax.lax.scan(loop, (state.params, state.opt_state), keys)
        return params, opt_state, jax.tree.map(jnp.mean, metrics)

    def join(key: jax.Array, state: PCPGState, found: episodes.Episodes, wanted: Any) -> PCPGState:
        """The learner's policy in the cover, where `wanted`, and the mixture with it."""
        fit_key, solve_key = jax.random.split(key)
        cover, kept, data = state.cover, state.kept, (found.steps._replace(info={}), found.valid)
        taught = data
        if phi.learned:
            row = jnp.where(wanted, cover.count, capacity)
            kept = jax.tree.map(lambda all, x: all.at[row].set(x, mode="drop"), kept, data)
            taught = features.side_by_side(kept)
        fitted = phi.fit(fit_key, state.features, *taught, cover.count == 0)
        fitted = select(wanted, fitted, state.features)
        root = covers.root(seen(fitted, data[0]), found.valid)
        cover = covers.append(cover, state.params, root, wanted)
        if phi.learned:
            roots = jax.lax.map(lambda k: covers.root(seen(fitted, k[0]), k[1]), kept)
            cover = covers.seen_anew(cover, roots, config.ridge)
        matrices = design.whitened(cover.roots, covers.inverse_root(cover), config.ridge)
        solved = design.solve(config.mixture, solve_key, matrices, cover.filled)
        cover = cover._replace(weights=solved.weights)
        return state._replace(cover=cover, features=fitted, kept=kept, design=solved)

    def init(key: jax.Array) -> PCPGState:
        network_key, refresh_key, feature_key, gather_key, join_key, key = jax.random.split(key, 6)
        # `map`, not `vmap`: under the seeds' vmap the two axes take XLA four times as long to compile
        both = jax.lax.map(fresh, jax.random.split(network_key))
        params, untrained = (jax.tree.map(lambda x, i=i: x[i], both) for i in range(2))
        env_now = env.refresh(refresh_key, env_params)
        found = gather(gather_key, params, env_now, config.density_episodes)
        kept: Any = ()
        if phi.learned:
            one = (found.steps._replace(info={}), found.valid)
            kept = jax.tree.map(lambda x: jnp.zeros((capacity, *x.shape), x.dtype), one)
        nothing = design.Design(jnp.zeros(capacity), jnp.float32(0), jnp.int32(0))
        state = PCPGState(
            params=params,
            opt_state=learner.init(params),
            env_params=env_now,
            cover=covers.init(params, capacity, phi.dim, config.ridge),
            features=phi.init(feature_key),
            kept=kept,
            untrained=untrained,
            best_params=params,
            best_return=jnp.float32(-jnp.inf),
            design=nothing,
            key=key,
            count=jnp.int32(0),
        )
        return join(join_key, state, found, jnp.asarray(True))

    def restarted(state: PCPGState) -> PCPGState:
        """With a new policy where the exploiting begins."""
        now = state.count == config.explore_epochs
        new = state.untrained, learner.init(state.untrained)
        params, opt_state = select(now, new, (state.params, state.opt_state))
        return state._replace(params=params, opt_state=opt_state)

    def update(state: PCPGState) -> tuple[PCPGState, dict[str, Any]]:
        learn_key, gather_key, join_key, key = jax.random.split(state.key, 4)
        reward_free = state.count < config.explore_epochs
        if exploring:
            state = restarted(state)
        params, opt_state, metrics = optimise(learn_key, state, reward_free)
        found = gather(gather_key, params, state.env_params, config.density_episodes)
        state = state._replace(params=params, opt_state=opt_state, key=key, count=state.count + 1)
        state = join(join_key, state, found, reward_free)

        value = episodes.returns(found).mean()
        better = value > state.best_return
        if exploring:
            better &= ~reward_free
        best = select(better, params, state.best_params)
        state = state._replace(
            best_params=best, best_return=jnp.where(better, value, state.best_return)
        )
        weights = state.cover.weights
        metrics |= {
            "episode_return": value,
            "solved": jnp.mean(episodes.successes(found)),
            "exploring": reward_free.astype(jnp.float32),
            "policies": state.cover.count.astype(jnp.float32),
            "mixed_policies": jnp.exp(-jnp.sum(jax.scipy.special.xlogy(weights, weights))),
            "coverage": covers.coverage(state.cover, config.ridge),
            "design_gap": state.design.gap,
        }
        return state, metrics

    def act(state: PCPGState) -> evaluation.Act:
        def best(carry: Any, observation: Any, reset: jax.Array) -> tuple[Any, Any, jax.Array]:
            return (carry, *policy(state.best_params)(observation))

        return acting.act(best, action_space, greedy=False)

    def evaluate(key: jax.Array, state: PCPGState) -> dict[str, Any]:
        found = gather(key, state.best_params, state.env_params, config.eval_episodes)
        value = episodes.returns(found).mean()
        return {"return": value, "solved": jnp.mean(episodes.successes(found))}

    def play(key: jax.Array, state: PCPGState) -> Iterator[evaluation.Moment]:
        return evaluation.play(key, env, state.env_params, act(state), ())

    return Experiment(
        init=init,
        update=update,
        num_updates=num_updates,
        steps_per_update=(config.loops * config.episodes + config.density_episodes) * horizon,
        evaluate=evaluate,
        play=play,
        headline=("episode_return", "mixed_policies", "bonus"),
    )
