from __future__ import annotations

import itertools
from math import lgamma

import numpy as np
import pytest
import torch

import jensen
from jensen.data.spec import Spec
from jensen.models.topic.gibbs import CollapsedGibbs
from jensen.models.topic.lda import build

DOCUMENTS = ([0, 0, 1], [1, 2, 2])
COUNTS = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 2.0]])
PAIRS = list(itertools.combinations(range(6), 2))


def log_polya(counts: np.ndarray, prior: float) -> float:
    """log of the probability of a sequence with these counts under a Dirichlet's categorical, integrated out."""
    size, total = len(counts), counts.sum()
    each = sum(lgamma(prior + n) - lgamma(prior) for n in counts)
    return lgamma(size * prior) - lgamma(size * prior + total) + each


def enumerated(alpha: float, eta: float) -> tuple[float, np.ndarray]:
    """log p(w), and of each pair of words the probability that they share a topic given w: sums over 64 assignments."""
    words, owners = np.concatenate(DOCUMENTS), np.repeat([0, 1], 3)
    every = np.array(list(itertools.product(range(2), repeat=6)))
    log_joint = [
        sum(log_polya(np.bincount(z[owners == d], minlength=2), alpha) for d in range(2))
        + sum(log_polya(np.bincount(words[z == k], minlength=3), eta) for k in range(2))
        for z in every
    ]
    log_prob = np.logaddexp.reduce(log_joint)
    shared = np.stack([every[:, i] == every[:, j] for i, j in PAIRS], 1)
    return float(log_prob), np.exp(log_joint - log_prob) @ shared


@pytest.mark.parametrize(("alpha", "eta"), [(0.5, 0.5), (2.0, 0.1)])
def test_pairs_share_a_topic_as_often_as_the_enumeration_says(alpha: float, eta: float) -> None:
    _, exact = enumerated(alpha, eta)
    chain = CollapsedGibbs(COUNTS, 2, alpha, eta)
    batches = np.empty((50, len(PAIRS)))
    for batch in batches:
        draws = np.empty((200, 6), dtype=int)
        for draw in draws:
            chain.sweep()
            draw[:] = chain.topic_of
        batch[:] = [(draws[:, i] == draws[:, j]).mean() for i, j in PAIRS]
    # Means over 200 sweeps are as good as independent; 4.5 standard errors for the largest of 15.
    error = batches.std(0, ddof=1) / len(batches) ** 0.5
    assert (np.abs(batches.mean(0) - exact) < 4.5 * error).all()
    assert error.max() < 0.02, "so that the line above can fail"


def test_the_bound_of_the_sampled_topics_stays_below_the_enumeration() -> None:
    exact, _ = enumerated(0.5, 0.5)
    for seed in range(3):
        torch.manual_seed(seed)
        model = build(Spec((3,), "count"), num_topics=2, alpha=0.5, eta=0.5, inference="gibbs", passes=7)
        model.fit_to(COUNTS, COUNTS[:0])
        assert model.corpus_elbo(COUNTS).item() < exact


def test_counts_are_kept_sweep_after_sweep() -> None:
    x = torch.poisson(torch.rand(9, 5) * 3)
    chain = CollapsedGibbs(x, 4, 0.3, 0.2)
    for _ in range(20):
        chain.sweep()
        counts = chain.pseudo_counts - 0.2
        torch.testing.assert_close(counts.sum(0), x.sum(0).double(), rtol=0, atol=1e-9)
        z = chain.topic_of
        by_hand = torch.stack([(z == k).sum() for k in range(4)]).double()
        torch.testing.assert_close(counts.sum(1), by_hand, rtol=0, atol=1e-9)


def test_a_fit_is_a_function_of_the_seed_and_finds_what_was_planted() -> None:
    planted = torch.tensor([[0.5, 0.5, 0, 0, 0, 0], [0, 0, 0.5, 0.5, 0, 0], [0, 0, 0, 0, 0.5, 0.5]])
    theta = torch.distributions.Dirichlet(torch.full((3,), 0.2)).sample((60,))
    x = torch.distributions.Multinomial(20, theta @ planted).sample()
    split = jensen.data.load(x.numpy(), as_counts=True, validation=0, test=10)
    fits = []
    for _ in range(2):
        model = jensen.create("lda", split.spec, num_topics=3, alpha=0.2, inference="gibbs", passes=20)
        jensen.fit(model, split, seed=1, progress=False)
        fits.append(model.topics)
    torch.testing.assert_close(fits[0], fits[1], rtol=0, atol=0)
    order = fits[0].argmax(1).argsort()
    torch.testing.assert_close(fits[0][order].float(), planted, rtol=0, atol=0.1)
    assert jensen.evaluate(model, split.test, 10)["iwae_10"].kind == "lower bound"
