"""Stories read by one state: the LSTM beside which entity networks are measured.

The baseline of Henaff et al., ICLR 2017, arXiv 1612.03969; its cell is `networks.recurrent`'s.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrl_suite.networks.embedding import Embedding
from jaxrl_suite.networks.recurrent import Recurrent, initial_carry


class LSTMReader(nn.Module):
    """An LSTM over sentences, read out beside the question; called as `EntityNetwork`.

    Attributes:
      words: of the vocabulary.
      answers: possible ones.
      features: units, and numbers a word.
    """

    words: int
    answers: int
    features: int

    @nn.compact
    def __call__(
        self, sentences: jax.Array, questions: jax.Array, at: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Logits of answers, and zeros where `EntityNetwork` has its gates.

        Args:
          sentences: `[N, T, words a sentence]` words.
          questions: `[N, Q, words a question]` words.
          at: `[N, Q]` sentences told before each question.

        Returns:
          Logits `[N, Q, answers]`, zeros `[T, N, 1]`.
        """
        embed = Embedding(self.words, self.features)
        # a weight for each place in a sentence, so that words do not just add up
        mask = self.param("mask", nn.initializers.ones, (sentences.shape[-1], self.features))
        s = jnp.sum(embed(sentences) * mask, -2)
        q = jnp.sum(embed(questions), -2)
        never = jnp.zeros((s.shape[1], s.shape[0]), bool)
        carry = initial_carry("lstm", self.features, len(s))
        _, h = Recurrent("lstm", self.features)(carry, jnp.moveaxis(s, 1, 0), never)
        here = jax.nn.one_hot(at - 1, h.shape[0], dtype=h.dtype)
        seen = jnp.einsum("nqs,snd->nqd", here, h)
        x = nn.relu(nn.Dense(2 * self.features)(jnp.concatenate([seen, q], -1)))
        return nn.Dense(self.answers)(x), jnp.zeros((h.shape[0], len(s), 1))
