"""Latent Dirichlet allocation: every document mixes the same topics in its own proportions.

Source: Blei, Ng and Jordan (2003), Latent Dirichlet Allocation; topics with a prior, section 5.4. Collapsed Gibbs
sampling: Griffiths and Steyvers (2004), Finding scientific topics.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Dirichlet, kl_divergence

from jensen.data.spec import Spec
from jensen.distributions.bag_of_words import BagOfWords
from jensen.distributions.counts import NegativeBinomial, likeliest_concentration
from jensen.distributions.dirichlet import expected_log
from jensen.errors import JensenError, unknown
from jensen.models.topic.gibbs import CollapsedGibbs

Inference = Literal["variational", "gibbs"]

# Rounds of coordinate ascent on q(θ): a fixed number, so that a document's q depends on no other document.
_ROUNDS = 100


class LDA(nn.Module):
    """θ ~ Dirichlet(α, ..., α), N ~ negative binomial, each of N words v with probability Σ_k θ_k β_kv; x counts them.

    The topics β_k ~ Dirichlet(η, ..., η) are K distributions over V words. They are fitted by variational Bayes, which
    gives q(β_k) = Dirichlet(λ_k), or by collapsed Gibbs sampling, where λ_kv is η and the mean over draws of how many
    words v have topic k. `corpus_elbo` is the bound on log p(all words) under such a q, topics integrated out. For
    everything that is asked of one document the topics are their means λ_kv / Σ_v λ_kv: then p(x) = ∫ p(θ) p(x | θ) dθ
    is bounded by q(θ | x) = Dirichlet(γ(x)), as in any latent-variable model, and the topic of each word is summed out
    of p(x | θ) exactly.

    The number of words in a document says nothing of its topics; its law makes p(x) a probability of counts, under the
    same measure as that of any other model of counts.

    λ is the buffer `pseudo_counts` (K, V), float64; `length` (2,) are mean and concentration of the law of N.

    Args:
        spec: what x is, counts (V,).
        num_topics: K.
        alpha: α; below 1 a document has few topics.
        eta: η; below 1 a topic has few words.
        passes: over the documents, in the fit.
        inference: "variational", or "gibbs".
    """

    pseudo_counts: Tensor
    length: Tensor

    def __init__(
        self, spec: Spec, *, num_topics: int, alpha: float, eta: float, passes: int, inference: Inference
    ) -> None:
        super().__init__()
        self.spec, self.alpha, self.eta, self.passes, self.inference = spec, alpha, eta, passes, inference
        self.register_buffer("pseudo_counts", torch.ones(num_topics, spec.num_dims, dtype=torch.float64))
        self.register_buffer("length", torch.tensor([float(spec.num_dims), 1.0], dtype=torch.float64))

    @property
    def topics(self) -> Float[Tensor, "topics words"]:
        """β, the mean of q: rows that sum to 1."""
        return self.pseudo_counts / self.pseudo_counts.sum(1, keepdim=True)

    def prior(self) -> Dirichlet:
        """p(θ), event_shape (K,)."""
        return Dirichlet(torch.full_like(self.pseudo_counts[:, 0], self.alpha), validate_args=False)

    def likelihood(self, z: Float[Tensor, "*batch topics"]) -> BagOfWords:
        """p(x | θ), event_shape (V,)."""
        with torch.autocast(z.device.type, enabled=False):
            return BagOfWords(z @ self.topics, NegativeBinomial(*self.length))

    def posterior(self, x: Float[Tensor, "batch words"]) -> Dirichlet:
        """q(θ | x) of mean field, given the topics."""
        return Dirichlet(self._gamma(x, self.topics.log()), validate_args=False)

    @torch.no_grad()
    def sample(self, num_samples: int) -> Float[Tensor, "num_samples words"]:
        """Documents as counts of their words, (N, V), in the default floating point type."""
        theta = self.prior().sample(torch.Size([num_samples]))
        return self.likelihood(theta).sample().to(torch.get_default_dtype())

    @torch.no_grad()
    def corpus_elbo(self, x: Float[Tensor, "batch words"]) -> Float[Tensor, ""]:
        """The bound on log p(w), nats, of the words w of all documents together, topics and proportions integrated out.

        E_q log p(w, z, θ, β) - E_q log q, with q(z) at its best: Σ_dv x_dv log Σ_k exp(E log θ_dk + E log β_kv)
        - Σ_d KL(q(θ_d) || p(θ_d)) - Σ_k KL(q(β_k) || p(β_k)). The words come in their order, as those of a sequence:
        the number of orders that have the same counts, and the law of the length, are no part of it.
        """
        q_beta = Dirichlet(self.pseudo_counts, validate_args=False)
        log_topics = expected_log(q_beta)
        q_theta = Dirichlet(self._gamma(x, log_topics), validate_args=False)
        words = expected_log(q_theta).exp() @ log_topics.exp()
        p_beta = Dirichlet(torch.full_like(self.pseudo_counts, self.eta), validate_args=False)
        explained = x.double().xlogy(words).sum()
        return explained - kl_divergence(q_theta, self.prior()).sum() - kl_divergence(q_beta, p_beta).sum()

    def fit_to(self, x: Float[Tensor, "batch words"], validation: Float[Tensor, "_ words"]) -> dict[str, Tensor]:
        """Variational Bayes by scikit-learn, or Gibbs, seeded from torch's global generator; the law of the length.

        Of the sweeps of Gibbs the second half is averaged. Logged is the bound on the words of all documents, for each
        document.

        Raises:
            JensenError: where no document has a word, or there are fewer documents than topics.
        """
        count, num_topics = len(x), len(self.pseudo_counts)
        if count < num_topics:
            raise JensenError(f"lda of {num_topics} topics needs as many documents, got {count}: lower num_topics")
        total = x.sum(1).double()
        if not total.any():
            raise JensenError("lda needs documents with words, and all counts are 0: check the data")
        self.pseudo_counts.copy_(self._sampled(x) if self.inference == "gibbs" else self._variational(x))
        mean = total.mean(0, keepdim=True)
        self.length.copy_(torch.cat([mean, likeliest_concentration(total[:, None], mean)]))
        return {"corpus_elbo": self.corpus_elbo(x) / count}

    def _variational(self, x: Tensor) -> Tensor:
        """λ (K, V) of variational Bayes."""
        from scipy.sparse import csr_matrix
        from sklearn.decomposition import LatentDirichletAllocation

        fitted = LatentDirichletAllocation(
            len(self.pseudo_counts),
            doc_topic_prior=self.alpha,
            topic_word_prior=self.eta,
            max_iter=self.passes,
            random_state=int(torch.randint(2**31, ())),
        ).fit(csr_matrix(x.cpu().numpy()))
        return torch.from_numpy(fitted.components_)

    def _sampled(self, x: Tensor) -> Tensor:
        """λ (K, V), the mean over the second half of the sweeps."""
        chain = CollapsedGibbs(x, len(self.pseudo_counts), self.alpha, self.eta)
        warm_up = self.passes // 2
        total = torch.zeros(self.pseudo_counts.shape, dtype=torch.float64)
        for sweep in range(self.passes):
            chain.sweep()
            if sweep >= warm_up:
                total += chain.pseudo_counts
        return total / (self.passes - warm_up)

    def _gamma(self, x: Tensor, log_topics: Tensor) -> Tensor:
        """γ_k = α + Σ_v x_v φ_vk with φ_vk ∝ exp(E log θ_k + log β_kv), repeated: (B, K)."""
        counts, topics = x.double(), log_topics.exp()
        gamma = self.alpha + counts.sum(1, keepdim=True).expand(-1, len(topics)) / len(topics)
        for _ in range(_ROUNDS):
            weights = expected_log(Dirichlet(gamma, validate_args=False)).exp()
            # A word that no topic has, to the last digit, tells no topic from another.
            share = counts / (weights @ topics).clamp_min(1e-300)
            gamma = self.alpha + weights * (share @ topics.T)
        return gamma


def build(
    spec: Spec,
    *,
    num_topics: int = 10,
    alpha: float | None = None,
    eta: float | None = None,
    passes: int = 50,
    inference: Inference = "variational",
) -> LDA:
    """Latent Dirichlet allocation of documents given as counts of words.

    Args:
        spec: what x is.
        num_topics: K.
        alpha: of the prior of a document's proportions; none is 1/K.
        eta: of the prior of a topic's words; none is 1/K.
        passes: over the documents, in the fit.
        inference: "variational" Bayes, or collapsed "gibbs" sampling, of which the second half of the passes is kept.

    Raises:
        JensenError: where x are no counts, or a number is out of range.
    """
    if spec.kind != "count" or len(spec.event_shape) != 1:
        raise JensenError(
            f"lda needs counts of words, a column each, got kind '{spec.kind}' of shape {spec.event_shape}: set "
            "as_counts=true where they are counts"
        )
    if inference not in get_args(Inference):
        raise unknown("inference", inference, get_args(Inference))
    for name, value in (("num_topics", num_topics), ("passes", passes)):
        if value < 1:
            raise JensenError(f"{name} must be at least 1, got {value}")
    chosen = {name: 1 / num_topics if value is None else value for name, value in (("alpha", alpha), ("eta", eta))}
    for name, prior in chosen.items():
        if not prior > 0:
            raise JensenError(f"{name} must be above 0, got {prior:g}: leave it out for 1 / num_topics")
    return LDA(spec, num_topics=num_topics, passes=passes, inference=inference, **chosen)
