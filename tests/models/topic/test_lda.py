from __future__ import annotations

import itertools
from math import lgamma

import numpy as np
import pytest
import torch
from sklearn.decomposition import LatentDirichletAllocation
from torch import Tensor

import jensen
from jensen.data.spec import Spec
from jensen.distributions.bag_of_words import BagOfWords
from jensen.distributions.counts import NegativeBinomial
from jensen.errors import JensenError
from jensen.evaluation.likelihood import bounds, log_marginal_likelihood
from jensen.models.topic import lda
from jensen.models.topic.lda import LDA, build

DOCUMENTS = ([0, 0, 1], [1, 2, 2])
COUNTS = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 2.0]])


def log_polya(counts: np.ndarray, prior: float) -> float:
    """log of the probability of a sequence with these counts under a Dirichlet's categorical, integrated out."""
    size, total = len(counts), counts.sum()
    each = sum(lgamma(prior + n) - lgamma(prior) for n in counts)
    return lgamma(size * prior) - lgamma(size * prior + total) + each


def enumerated() -> float:
    """log p(w) of both documents, V = 3, K = 2, alpha = eta = 1/2: the sum over all 64 topics of the six words."""
    words, owners = np.concatenate(DOCUMENTS), np.repeat([0, 1], 3)
    terms = []
    for z in itertools.product(range(2), repeat=6):
        topic = np.array(z)
        proportions = [np.bincount(topic[owners == d], minlength=2) for d in range(2)]
        uses = [np.bincount(words[topic == k], minlength=3) for k in range(2)]
        terms.append(sum(log_polya(n, 0.5) for n in [*proportions, *uses]))
    return float(np.logaddexp.reduce(terms))


def fitted(counts: Tensor, **settings: object) -> LDA:
    model = build(Spec((counts.shape[1],), "count"), **settings)
    model.fit_to(counts, counts[:0])
    return model


def test_the_bound_on_a_corpus_stays_below_the_enumeration() -> None:
    exact = enumerated()
    for seed in range(5):
        torch.manual_seed(seed)
        model = fitted(COUNTS, num_topics=2, alpha=0.5, eta=0.5)
        assert model.corpus_elbo(COUNTS).item() < exact
        for _ in range(20):
            model.pseudo_counts.copy_(torch.distributions.Gamma(1.0, 0.5).sample((2, 3)) + 0.01)
            assert model.corpus_elbo(COUNTS).item() < exact, "whatever the topics, a bound is one"


def test_given_the_topics_the_bounds_of_a_document_stay_below_and_reach_the_enumeration() -> None:
    model = build(Spec((3,), "count"), num_topics=2, alpha=0.5)
    model.pseudo_counts.copy_(torch.tensor([[6.0, 3.0, 1.0], [1.0, 2.0, 5.0]]))
    topics = model.topics.numpy()
    for row, document in enumerate(DOCUMENTS):
        terms = [
            log_polya(np.bincount(z, minlength=2), 0.5)
            + sum(np.log(topics[k, v]) for k, v in zip(z, document, strict=True))
            for z in itertools.product(range(2), repeat=3)
        ]
        # Three orders have the same counts; and the length has a law of its own.
        length = NegativeBinomial(*model.length).log_prob(torch.tensor(3.0)).item()
        exact = np.logaddexp.reduce(terms) + np.log(3) + length
        found = bounds(model, COUNTS[row : row + 1].double(), 20_000, (1, 20_000))
        elbo, tight = found.elbo, found.ladder[20_000]
        assert found.kl_method == "closed form"
        assert elbo.value.item() < exact + 4 * elbo.variance.item() ** 0.5
        assert exact - elbo.value.item() < 0.2, "the topics of words are summed out: little is lost"
        assert abs(tight.value.item() - exact) < 4 * tight.variance.item() ** 0.5


def test_scikit_learn_counts_the_same_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.poisson(torch.rand(30, 12) * 3)
    model = fitted(x, num_topics=3, alpha=0.3, eta=0.2)
    priors = {"doc_topic_prior": 0.3, "topic_word_prior": 0.2}
    peer = LatentDirichletAllocation(3, **priors, max_doc_update_iter=3000, mean_change_tol=1e-9, random_state=0)
    peer.fit(x.numpy())
    model.pseudo_counts.copy_(torch.from_numpy(peer.components_))
    assert model.corpus_elbo(x).item() == pytest.approx(peer.score(x.numpy()), rel=1e-4)
    # Once each document's coordinate ascent has ended the two agree further.
    monkeypatch.setattr(lda, "_ROUNDS", 3000)
    assert model.corpus_elbo(x).item() == pytest.approx(peer.score(x.numpy()), rel=1e-6)


def test_counts_of_a_document_are_probabilities() -> None:
    law = BagOfWords(torch.tensor([0.5, 0.3, 0.2]).double(), NegativeBinomial(*torch.tensor([2.0, 1.5]).double()))
    every = torch.cartesian_prod(*[torch.arange(60.0, dtype=torch.float64)] * 3)
    assert law.log_prob(every).exp().sum().item() == pytest.approx(1, abs=1e-6)
    drawn = law.sample(torch.Size([20_000]))
    assert ((drawn.mean(0) - law.mean).abs() < 4 * drawn.std(0) / 20_000**0.5).all()


def test_an_empty_document_is_one() -> None:
    model = fitted(COUNTS, num_topics=2)
    q = model.posterior(torch.zeros(1, 3))
    torch.testing.assert_close(q.concentration, model.prior().concentration[None])
    found = bounds(model, torch.zeros(1, 3, dtype=torch.float64), 10, (10,))
    assert found.kl.value.item() == pytest.approx(0, abs=1e-9)
    assert found.ladder[10].value.isfinite().all()


def test_proportions_are_not_annealed() -> None:
    with pytest.raises(JensenError, match="z are proportions"):
        log_marginal_likelihood(fitted(COUNTS, num_topics=2), COUNTS.double(), method="annealed")


def test_topics_of_pythons_help() -> None:
    split = jensen.data.load("python-topics")
    model = jensen.create("lda", split.spec, num_topics=10, passes=10)
    jensen.fit(model, split)
    assert split.spec.columns is not None
    words = [{split.spec.columns[i] for i in row} for row in model.topics.topk(8, 1).indices.tolist()]
    assert any({"class", "object"} <= one for one in words)
    assert not any(first == second for first, second in itertools.combinations(words, 2))
    one = jensen.create("lda", split.spec, num_topics=1)
    jensen.fit(one, split)
    many, single = (jensen.evaluate(m, split.test, 10).examples["iwae_10"] for m in (model, one))
    gain = many - single
    assert gain.mean() > 2 * gain.std(ddof=1) / 10, "topics tell something that the frequencies of words do not"


def test_bad_input() -> None:
    with pytest.raises(JensenError, match=r"needs counts of words.*got kind 'real'"):
        build(Spec((3,), "real"))
    with pytest.raises(JensenError, match="num_topics must be at least 1, got 0"):
        build(Spec((3,), "count"), num_topics=0)
    with pytest.raises(JensenError, match="alpha must be above 0"):
        build(Spec((3,), "count"), alpha=0.0)
    with pytest.raises(JensenError, match="lda of 5 topics needs as many documents, got 2"):
        fitted(COUNTS, num_topics=5)
    with pytest.raises(JensenError, match="all counts are 0"):
        fitted(COUNTS * 0, num_topics=2)
