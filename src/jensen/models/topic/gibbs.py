"""Latent Dirichlet allocation by collapsed Gibbs sampling: topics and proportions are integrated out.

Source: Griffiths and Steyvers (2004), Finding scientific topics.
"""

from __future__ import annotations

from bisect import bisect
from itertools import accumulate

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor


class CollapsedGibbs:
    """A chain over the topics z of all words of all documents, whose law is p(z | w) of `lda`, exactly.

    One word after another, with n the counts of all the others,

        p(z_i = k | z_-i, w) ∝ (n_dk + α) (n_kv + η) / (n_k + V η)

    for word v of document d. The numbers live in plain lists: for the few tens that each word needs, an array costs
    several times as much to call as to work out.

    The K! orders of the topics are equally likely, and a chain on few words goes from one to another; on a text it
    stays with the one that it finds.

    Args:
        x: counts (D, V).
        num_topics: K. alpha: α. eta: η.
    """

    def __init__(self, x: Float[Tensor, "documents words"], num_topics: int, alpha: float, eta: float) -> None:
        documents, words = x.shape
        self.eta = eta
        places = torch.arange(x.numel(), device=x.device).repeat_interleave(x.flatten().long()).cpu()
        self._document_of = (places // words).tolist()
        self._word_of = (places % words).tolist()
        self._topic_of = torch.randint(num_topics, (len(places),)).tolist()
        # The counts, with the prior's pseudo-counts in them.
        self._of_document = [[alpha] * num_topics for _ in range(documents)]
        self._of_word = [[eta] * num_topics for _ in range(words)]
        self._of_topic = [words * eta] * num_topics
        for d, v, k in zip(self._document_of, self._word_of, self._topic_of, strict=True):
            self._of_document[d][k] += 1
            self._of_word[v][k] += 1
            self._of_topic[k] += 1

    def sweep(self) -> None:
        """Draws the topic of each word in turn, from torch's global generator."""
        uniform = torch.rand(len(self._topic_of), dtype=torch.float64).tolist()
        topic_of, of_topic = self._topic_of, self._of_topic
        for i, (d, v) in enumerate(zip(self._document_of, self._word_of, strict=True)):
            of_document, of_word, k = self._of_document[d], self._of_word[v], topic_of[i]
            of_document[k] -= 1
            of_word[k] -= 1
            of_topic[k] -= 1
            shares = zip(of_document, of_word, of_topic, strict=True)
            cumulative = list(accumulate(a * b / c for a, b, c in shares))
            k = min(bisect(cumulative, uniform[i] * cumulative[-1]), len(cumulative) - 1)
            of_document[k] += 1
            of_word[k] += 1
            of_topic[k] += 1
            topic_of[i] = k

    @property
    def topic_of(self) -> Int64[Tensor, " tokens"]:
        """z: document after document, and within one its words in the order of their columns."""
        return torch.tensor(self._topic_of)

    @property
    def pseudo_counts(self) -> Float64[Tensor, "topics words"]:
        """η + n_kv: given z, topic k is Dirichlet of row k."""
        return torch.tensor(self._of_word, dtype=torch.float64).T
