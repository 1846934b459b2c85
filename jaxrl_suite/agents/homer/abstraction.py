"""The contrastive classifier whose bottleneck recovers backward kinematic inseparability.

Two observations x'_1, x'_2 of a step are backward inseparable where

    P(x'_1 | x, a) / rho(x'_1) = P(x'_2 | x, a) / rho(x'_2)    for all x, a

with rho the distribution of x' in the data. A classifier that tells a transition (x, a, x') that
happened from an impostor, whose x' comes from another transition, has the optimum P / (P + rho): it
sees x' only through that ratio. So if x' must pass a bottleneck of N codes, inseparable observations
may share a code at no loss, and others may not (Misra et al., section 4).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

HIDDEN = 56  # the released classifier's
ACCEPTED = 0.685  # held-out loss below which the released code keeps a classifier; chance is 0.693
LENGTH = 8.0  # root mean square length that observations are scaled to, so that decay has a unit


class Classifier(nn.Module):
    """f(x, a, x') = MLP([A x, onehot(a), B x']), A and B linear with N outputs, one hidden layer.

    Attributes:
      codes: N.
      actions: number of actions.
    """

    codes: int
    actions: int

    def setup(self) -> None:
        self.before = nn.Dense(self.codes)
        self.after = nn.Dense(self.codes)
        self.hidden = nn.Dense(HIDDEN)
        self.out = nn.Dense(2)

    def __call__(
        self, x: jax.Array, action: jax.Array, following: jax.Array, code: Any = lambda z: z
    ) -> jax.Array:
        """Logits `[B, 2]` of impostor and real.

        Args:
          x: `[B, D]`, observations.
          action: `[B]` int32.
          following: `[B, D]`, observations of the next step.
          code: what the bottleneck makes of the N logits of x'.
        """
        parts = [self.before(x), jax.nn.one_hot(action, self.actions), code(self.after(following))]
        return self.out(nn.leaky_relu(self.hidden(jnp.concatenate(parts, -1))))


class Decoder(NamedTuple):
    """phi: which code an observation has.

    Attributes:
      kernel: `[D, N]`.
      bias: `[N]`.
    """

    kernel: jax.Array
    bias: jax.Array

    def codes(self, observation: jax.Array) -> jax.Array:
        """`[...]` int32 for observations `[..., D]`."""
        return jnp.argmax(observation @ self.kernel + self.bias, -1)


class Transitions(NamedTuple):
    """`[n, D]` observations, `[n]` actions and the `[n, D]` observations of the next step."""

    x: jax.Array
    action: jax.Array
    following: jax.Array


def contrast(key: jax.Array, data: Transitions, size: int, number: jax.Array) -> tuple[Any, Any]:
    """`size` real transitions of the first `number`, and an impostor for each: `[2 size]` and labels."""
    real_key, other_key = jax.random.split(key)
    real = jax.random.randint(real_key, (size,), 0, number)
    # x' of another transition: any but its own
    other = (real + jax.random.randint(other_key, (size,), 1, number)) % number
    twice = jnp.concatenate([real, real])
    batch = Transitions(
        data.x[twice], data.action[twice], data.following[jnp.concatenate([real, other])]
    )
    return batch, jnp.concatenate([jnp.ones(size, int), jnp.zeros(size, int)])


def loss_of(classifier: Classifier, params: Any, batch: Transitions, labels: Any, code: Any) -> Any:
    """Mean cross-entropy; log 2 = 0.693 is chance."""
    logits = classifier.apply(params, *batch, code)
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()  # type: ignore[arg-type]


def fit(
    key: jax.Array,
    data: Transitions,
    classifier: Classifier,
    steps: jax.Array,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    decay: float = 3.0,
) -> tuple[Decoder, jax.Array]:
    """Trains a classifier, first with B x' as it is, then discretised by Gumbel-softmax.

    The last fifth of the data is held out. The kernels of A and B decay, as few transitions have
    many coordinates of noise to tell them apart by: where observations differ most, which is where
    states differ, a small kernel sees most.

    Args:
      key: random key.
      data: transitions of one step, in random order.
      classifier: the network.
      steps: `[2]` int32, gradient steps of the two parts; traced numbers are fine.
      batch_size: real transitions of a gradient step, and as many impostors.
      learning_rate: of Adam.
      decay: of the kernels of A and B, for each step relative to the learning rate (AdamW).

    Returns:
      phi, and the held-out loss of the classifier with a hard bottleneck, `[]`.
    """
    init_key, first_key, second_key, test_key = jax.random.split(key, 4)
    total = data.x.shape[0]
    held = total // 5
    scale = LENGTH * jax.lax.rsqrt(jnp.mean(jnp.sum(data.following**2, -1)) + 1e-12)
    data = data._replace(x=scale * data.x, following=scale * data.following)
    params = classifier.init(init_key, *jax.tree.map(lambda x: x[:1], data))
    kernels: Any = jax.tree.map(lambda _: False, params)
    for name in ("before", "after"):
        kernels["params"][name]["kernel"] = True
    optimizer = optax.chain(
        optax.clip_by_global_norm(40.0),
        optax.adamw(learning_rate, weight_decay=decay, mask=kernels),
    )

    def part(key: jax.Array, params: Any, count: jax.Array, discrete: bool) -> Any:
        def step(i: jax.Array, carry: Any) -> Any:
            params, opt_state = carry
            batch_key, noise_key = jax.random.split(jax.random.fold_in(key, i))
            batch, labels = contrast(batch_key, data, batch_size, jnp.int32(total - held))

            def gumbel(logits: jax.Array) -> jax.Array:
                return jax.nn.softmax(logits + jax.random.gumbel(noise_key, logits.shape))

            code = gumbel if discrete else (lambda z: z)
            gradient = jax.grad(lambda p: loss_of(classifier, p, batch, labels, code))(params)
            change, opt_state = optimizer.update(gradient, opt_state, params)
            return optax.apply_updates(params, change), opt_state

        return jax.lax.fori_loop(0, count, step, (params, optimizer.init(params)))[0]

    params = part(first_key, params, steps[0], discrete=False)
    params = part(second_key, params, steps[1], discrete=True)
    unseen = jax.tree.map(lambda x: x[total - held :], data)
    batch, labels = contrast(test_key, unseen, 4 * held, jnp.int32(held))

    def hard(logits: jax.Array) -> jax.Array:
        return jax.nn.one_hot(jnp.argmax(logits, -1), classifier.codes)

    loss = loss_of(classifier, params, batch, labels, hard)
    after = params["params"]["after"]
    return Decoder(scale * after["kernel"], after["bias"]), loss


def first_accepted(
    key: jax.Array, once: Callable[[jax.Array], tuple[Decoder, jax.Array]], tries: jax.Array
) -> tuple[Decoder, jax.Array, jax.Array]:
    """Fits until one is better than chance: classifiers may stay where they cannot tell anything.

    Args:
      key: of the first try; later ones are derived from it.
      once: key -> phi and its held-out loss.
      tries: `[]` int32, the most, at least 1.

    Returns:
      The first phi with a loss below `ACCEPTED`, else the best of all; its loss; tries made.
    """

    def wanted(carry: Any) -> jax.Array:
        count, _, loss = carry
        return (count < tries) & ((count == 0) | (loss >= ACCEPTED))

    def another(carry: Any) -> Any:
        count, best, loss = carry
        found = once(jnp.where(count == 0, key, jax.random.fold_in(key, count)))
        better = found[1] < loss
        return count + 1, *jax.tree.map(lambda a, b: jnp.where(better, a, b), found, (best, loss))

    shapes = jax.eval_shape(once, key)[0]
    blank = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    count, decoder, loss = jax.lax.while_loop(
        wanted, another, (jnp.int32(0), blank, jnp.float32(jnp.inf))
    )
    return decoder, loss, count


def agreement(codes: jax.Array, classes: jax.Array, sizes: tuple[int, int]) -> jax.Array:
    """Normalised mutual information `[]` of two labellings `[n]`: I(U; V) / mean(H(U), H(V)).

    1 where each determines the other, 0 where they are independent; 1 as well where both are constant.

    Args:
      codes, classes: `[n]` int32.
      sizes: how many labels each has.
    """
    one_hot = jax.nn.one_hot(codes, sizes[0]), jax.nn.one_hot(classes, sizes[1])
    joint = one_hot[0].T @ one_hot[1] / codes.shape[0]

    def entropy(p: jax.Array) -> jax.Array:
        return -jnp.sum(jnp.where(p > 0, p * jnp.log(jnp.where(p > 0, p, 1.0)), 0.0))

    own = entropy(joint.sum(1)), entropy(joint.sum(0))
    shared = own[0] + own[1] - entropy(joint)
    mean = (own[0] + own[1]) / 2
    return jnp.where(mean > 1e-9, shared / jnp.maximum(mean, 1e-9), 1.0)
