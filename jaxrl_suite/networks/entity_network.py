"""Recurrent entity networks (Henaff, Weston, Szlam, Bordes and LeCun, ICLR 2017, arXiv 1612.03969).

A memory of m slots, each a key w_j and a content h_j, beside each other. Every sentence s writes to the
slots whose key or content it is about (section 3):

    g_j = sigmoid(s.h_j + s.w_j)        h~_j = phi(U h_j + V w_j + W s)
    h_j <- (h_j + g_j h~_j) / |.|       h_j = w_j at the beginning

and a question q is answered from p = softmax(q.h_j), u = sum p_j h_j, y = R phi(q + H u). As in the
authors' code phi is a PReLU with a slope a feature, the same slopes for contents and answers, gates and
contents have biases, and masks over word positions weigh words into sentences.

`write` is one step, `read` all steps of stories, `EntityNetwork` answers questions about them,
`EntityMemory` is a recurrent core for agents.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrl_suite.networks.embedding import lookup


class Writing(NamedTuple):
    """Weights of the memory: `u`, `v`, `w` `[d, d]`, `bias`, `slope` `[d]`, `gate` `[m]`."""

    u: jax.Array
    v: jax.Array
    w: jax.Array
    bias: jax.Array
    slope: jax.Array
    gate: jax.Array


def prelu(x: jax.Array, slope: jax.Array) -> jax.Array:
    """x where it is positive, slope times x elsewhere."""
    return jnp.where(x > 0, x, slope * x)


def write(
    weights: Writing, keys: jax.Array, h: jax.Array, s: jax.Array, normalize: bool = True
) -> tuple[jax.Array, jax.Array]:
    """One sentence.

    Args:
      weights: of the memory.
      keys: `[m, d]`, or `[N, m, d]` where every story has its own.
      h: `[N, m, d]` contents.
      s: `[N, d]` sentences.
      normalize: bring contents back to length one, which is how they forget.

    Returns:
      New contents and the gates `[N, m]`.
    """
    about = jnp.sum(s[:, None] * (h + keys), -1)
    gates = jax.nn.sigmoid(about + weights.gate)
    new = h @ weights.u + (keys @ weights.v) + (s @ weights.w)[:, None] + weights.bias
    h = h + gates[..., None] * prelu(new, weights.slope)
    return (_unit(h) if normalize else h), gates


def _unit(h: jax.Array) -> jax.Array:
    # inside the root: the gradient of a zero's length is no number
    return h * jax.lax.rsqrt(jnp.sum(h**2, -1, keepdims=True) + 1e-12)


def read(
    weights: Writing, keys: jax.Array, s: jax.Array, told: jax.Array, normalize: bool = True
) -> tuple[jax.Array, jax.Array]:
    """Stories sentence by sentence, from contents that are the keys: `write` over and over.

    Gradients are written out: a step is computed again on the way back rather than kept, and the
    gradient of U is one product over all steps. Half as slow again without, since memory traffic is
    what reading costs.

    Args:
      weights: of the memory.
      keys: `[m, d]`.
      s: `[S, N, d]` sentences.
      told: `[S, N]` bool, False writes nothing.
      normalize: as of `write`.

    Returns:
      Contents after each sentence `[S, N, m, d]`, gates `[S, N, m]`.
    """
    first = jnp.broadcast_to(keys, (s.shape[1], *keys.shape))
    about = s @ keys.T + weights.gate
    drive = s @ weights.w + weights.bias
    now = s, drive, about, told.astype(s.dtype)
    return _read(normalize, weights.u, keys @ weights.v, weights.slope, first, now)


def _step(normalize: bool, h: jax.Array, turned: jax.Array, kv: Any, slope: Any, now: Any) -> Any:
    """`write`, given what does not depend on the contents h but for `turned` = U h."""
    s, drive, about, told = now
    gates = jax.nn.sigmoid(jnp.sum(s[:, None] * h, -1) + about) * told[:, None]
    new = h + gates[..., None] * prelu(turned + kv + drive[:, None], slope)
    return jnp.where(told[:, None, None] > 0, _unit(new) if normalize else new, h), gates


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _read(
    normalize: bool, u: jax.Array, kv: jax.Array, slope: jax.Array, first: jax.Array, now: Any
) -> tuple[jax.Array, jax.Array]:
    def step(h: jax.Array, now: Any) -> Any:
        h, gates = _step(normalize, h, h @ u, kv, slope, now)
        return h, (h, gates)

    return jax.lax.scan(step, first, now)[1]


def _read_forward(normalize: bool, *inputs: Any) -> Any:
    h, gates = _read(normalize, *inputs)
    return (h, gates), (inputs, h)


def _read_backward(normalize: bool, saved: Any, due: Any) -> Any:
    (u, kv, slope, first, now), h = saved
    before = jnp.concatenate([first[None], h[:-1]])
    turn = u.T

    def step(carry: Any, here: Any) -> Any:
        dh, dslope = carry
        h, now, (due_h, due_gates) = here
        run = functools.partial(_step, normalize)
        pull = jax.vjp(run, h, h @ u, kv, slope, now)[1]
        back, dturned, _, more, dnow = pull((dh + due_h, due_gates))
        return (back + dturned @ turn, dslope + more), (dturned, dnow)

    start = jnp.zeros_like(first), jnp.zeros_like(slope)
    (dfirst, dslope), (dturned, dnow) = jax.lax.scan(step, start, (before, now, due), reverse=True)
    d = u.shape[0]
    du = before.reshape(-1, d).T @ dturned.reshape(-1, d)
    # the gradient of U h and of V w is the same but for the sum over sentences and stories
    return du, dturned.sum((0, 1)), dslope, dfirst, dnow


_read.defvjp(_read_forward, _read_backward)


def _normal(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    return 0.1 * jax.random.normal(key, shape)


def _writing(module: nn.Module, slots: int, d: int, plain: bool = False) -> Writing:
    start = nn.initializers.zeros if plain else _normal
    square = {name: module.param(name, _normal, (d, d)) for name in ("u", "v", "w")}
    return Writing(
        **square,
        bias=module.param("bias", start, (d,)),
        slope=module.param("slope", nn.initializers.ones, (d,)),
        gate=module.param("gate", start, (slots,)),
    )


class EntityNetwork(nn.Module):
    """Reads stories of words and answers questions asked in between.

    Attributes:
      words: size of the vocabulary; word 0 is padding.
      answers: number of classes of the answer.
      slots: m.
      features: d.
      sentence_words, question_words: longest.
      tied: words whose embeddings are the keys, `slots` of them; None learns keys of their own.
      normalize: contents have length one.
      plain: begin with masks of ones, which add words up whatever their order, and biases of zero;
        False begins as the authors' code, at random.
    """

    words: int
    answers: int
    slots: int
    features: int
    sentence_words: int
    question_words: int
    tied: tuple[int, ...] | None = None
    normalize: bool = True
    plain: bool = False

    @nn.compact
    def __call__(
        self, sentences: jax.Array, questions: jax.Array, at: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Answers, and what was written where.

        Args:
          sentences: `[N, S, L]` words; a sentence of padding alone writes nothing.
          questions: `[N, Q, K]` words.
          at: `[N, Q]`, sentences before each question.

        Returns:
          Logits `[N, Q, answers]`, gates `[S, N, m]`.

        Raises:
          ValueError: for other than `slots` tied words.
        """
        d, m = self.features, self.slots
        if self.tied is not None and len(self.tied) != m:
            raise ValueError(f"tied={self.tied!r}: {m} words, one a slot")
        table = self.param("embedding", _normal, (self.words, d))
        table = table * (jnp.arange(self.words) > 0)[:, None]  # padding is zero and stays zero
        # with ones the order of words is learnt last, and "A is north of B" is "B is north of A"
        start = nn.initializers.ones if self.plain else _normal
        masks = (
            self.param("sentence_mask", start, (self.sentence_words, d)),
            self.param("question_mask", nn.initializers.ones, (self.question_words, d)),
        )
        if self.tied is None:
            keys = self.param("keys", _normal, (m, d))
        else:
            keys = table[jnp.asarray(self.tied)]
        weights = _writing(self, m, d, self.plain)
        s, q = (
            jnp.sum(lookup(table, words) * mask, -2)
            for words, mask in zip((sentences, questions), masks, strict=True)
        )
        told = jnp.any(sentences > 0, -1)
        h, gates = read(weights, keys, jnp.moveaxis(s, 1, 0), told.T, self.normalize)
        # contents when each question is asked: a product, since gathers are slow under vmap
        here = jax.nn.one_hot(at - 1, h.shape[0], dtype=h.dtype)
        h = jnp.einsum("nqs,snmd->nqmd", here, h)
        return self._answer(h, q, weights.slope), gates

    def _answer(self, h: jax.Array, q: jax.Array, slope: jax.Array) -> jax.Array:
        """`[N, Q, m, d]` contents and `[N, Q, d]` questions to `[N, Q, answers]` logits."""
        p = jax.nn.softmax(jnp.einsum("nqmd,nqd->nqm", h, q))
        u = jnp.einsum("nqm,nqmd->nqd", p, h)
        matrix = self.param("h", _normal, (self.features, self.features))
        out = self.param("r", _normal, (self.features, self.answers))
        return prelu(q + u @ matrix, slope) @ out


class EntityMemory(nn.Module):
    """The memory as a recurrent core: observations are sentences and ask their own question.

    Attributes:
      features: d, of a slot and of the output.
      slots: m.
    """

    features: int
    slots: int

    @nn.compact
    def __call__(self, carry: jax.Array, x: jax.Array, reset: jax.Array) -> Any:
        """`x` `[T, N, F]`, `reset` `[T, N]` bool: `(carry, [T, N, d])`; the carry is `[N, m, d]`.

        A carry of zeros stands for an episode's beginning, when contents are the keys.
        """
        d = self.features
        keys = self.param("keys", _normal, (self.slots, d))
        weights = _writing(self, self.slots, d)
        s, q = nn.Dense(d, name="sentence")(x), nn.Dense(d, name="question")(x)

        def step(h: jax.Array, now: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            sentence, begins = now
            empty = jnp.all(h == 0, (1, 2)) | begins
            h = jnp.where(empty[:, None, None], keys, h)
            h, _ = write(weights, keys, h, sentence)
            return h, h

        carry, h = jax.lax.scan(step, carry, (s, reset))
        p = jax.nn.softmax(jnp.einsum("tnmd,tnd->tnm", h, q))
        found = nn.Dense(d, use_bias=False, name="answer")(jnp.einsum("tnm,tnmd->tnd", p, h))
        slope = self.param("answer_slope", nn.initializers.constant(0.1), (d,))
        return carry, prelu(q + found, slope)
