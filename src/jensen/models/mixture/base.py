"""What the mixtures fitted by expectation maximisation have in common."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from jensen.data.spec import Spec
from jensen.errors import JensenError, unknown
from jensen.models.mixture.quadratic import BLOCK

Assignment = Literal["soft", "hard"]


class FiniteMixture(nn.Module, ABC):
    """p(x) = Σ_k π_k p(x | z = k), with K components and the weights π (K,) as a buffer in float64.

    A subclass writes `log_joint` and `m_step`; the density, the E-step, its bound and Q follow from the former. NaN
    entries of x are missing: every density here is of the entries that are there, the others summed or integrated out.

    Args:
        spec: what x is.
        num_components: K.
        assignment: the q(z) of the E-step. "soft" is the posterior p(z | x), where the bound is log p(x); "hard" is a
            point mass on its mode, where the bound is log p(x, z), the best that a point mass can reach.
    """

    sums_out_missing = True
    weights: Tensor

    def __init__(self, spec: Spec, num_components: int, assignment: Assignment) -> None:
        super().__init__()
        self.spec, self.assignment = spec, assignment
        self.register_buffer("weights", torch.full((num_components,), 1 / num_components, dtype=torch.float64))

    @property
    def num_components(self) -> int:
        """K."""
        return len(self.weights)

    @abstractmethod
    def log_joint(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch components"]:
        """log p(x, z = k) in nats, (N, K), float64: -inf where it cannot be."""

    @property
    @abstractmethod
    def num_free_parameters(self) -> int:
        """How many numbers the weights and the components have free."""

    def log_parameter_prior(self) -> Tensor | None:
        """log p(parameters) in nats, (), where they have a prior and EM climbs to their posterior's mode; else None."""
        return None

    def log_prob(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch"]:
        """log p(x) in nats, (N, *event) -> (N,), in float64."""
        return self.log_joint(x).logsumexp(1)

    def e_step(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch components"]:
        """log q(z = k) of each x, the log-responsibilities (N, K)."""
        return self.e_step_and_bound(x)[0]

    @torch.no_grad()
    def e_step_and_bound(
        self, x: Float[Tensor, "batch *event"]
    ) -> tuple[Float[Tensor, "batch components"], dict[str, Float[Tensor, ""]]]:
        """The E-step, and the figures it reaches, means in nats per example; the first is what EM never lowers.

        That is E_q log p(x, z) + H(q), "log_prob" where q is the posterior and "elbo" where it is a point mass; with
        log p(parameters) / N added, as "penalised_...", where there is such a prior.
        """
        log_responsibilities, log_prob = normalised(self.log_joint, x, self.num_components)
        figures = {"log_prob": log_prob.mean()}
        impossible = log_prob.isneginf()
        if impossible.any():  # what no component can produce says nothing of z
            log_responsibilities[impossible] = self.weights.log()
        if self.assignment == "hard":
            best, mode = log_responsibilities.max(1, keepdim=True)
            figures = {"elbo": (log_prob + best.squeeze(1)).mean(), **figures}
            log_responsibilities = torch.full_like(log_responsibilities, -torch.inf).scatter_(1, mode, 0.0)
        log_prior = self.log_parameter_prior()
        if log_prior is not None:
            name, bound = next(iter(figures.items()))
            figures = {f"penalised_{name}": bound + log_prior / len(x), **figures}
        return log_responsibilities, figures

    def expected_log_joint(
        self, x: Float[Tensor, "batch *event"], log_responsibilities: Float[Tensor, "batch components"]
    ) -> Float[Tensor, "batch"]:
        """Q(θ, θ_0) = Σ_k q(z = k) log p(x, z = k; θ) of each x, nats, (N,), with 0 times -inf being 0.

        θ are this model's parameters, and q is the E-step at θ_0: `model.expected_log_joint(x, start.e_step(x))`. With
        the entropy of q added it is the bound on log p(x; θ), which touches it at θ = θ_0 where q is the posterior.
        """
        responsibilities = log_responsibilities.exp()
        return torch.where(responsibilities > 0, responsibilities * self.log_joint(x), 0.0).sum(1)

    def bic(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, ""]:
        """-2 Σ_n log p(x_n) + P log N with P free parameters, (), nats: the lower, the better K is supported by x.

        Where EM has converged on x, minus half of it approximates the log evidence of K (Schwarz, 1978).
        """
        return self.num_free_parameters * math.log(len(x)) - 2 * self.log_prob(x).sum()

    @abstractmethod
    def m_step(self, x: Float[Tensor, "batch *event"], log_responsibilities: Float[Tensor, "batch components"]) -> None:
        """Sets the parameters to the maximisers of Σ_n Q(θ, θ_0)."""

    def draw_components(self, num_samples: int) -> Int64[Tensor, "num_samples"]:
        """z drawn from π, (N,)."""
        return torch.multinomial(self.weights, num_samples, replacement=True)


def normalised(
    log_joint: Callable[[Tensor], Tensor], x: Float[Tensor, "batch *event"], components: int
) -> tuple[Float[Tensor, "batch components"], Float[Tensor, "batch"]]:
    """log_joint(x) (N, K) less its log-sum-exp over k, and that (N,): block by block, as matrix products are."""
    log_responsibilities = torch.empty(components, len(x), dtype=torch.float64, device=x.device).T
    log_normaliser = torch.empty(len(x), 1, dtype=torch.float64, device=x.device)
    size = max(1, 8 * BLOCK // components)
    outputs = zip(log_responsibilities.split(size), log_normaliser.split(size), strict=True)
    for block, (part, whole) in zip(x.split(size), outputs, strict=True):
        values = log_joint(block)
        torch.logsumexp(values, 1, keepdim=True, out=whole)
        torch.sub(values, whole, out=part)
    return log_responsibilities, log_normaliser.squeeze(1)


def has_missing(rows: Float[Tensor, "rows dims"]) -> bool:
    """Whether any entry is NaN; in one pass over memory, where asking each entry takes three."""
    return bool(rows.sum().isnan())


def clusters(rows: Float[Tensor, "rows dims"], num_components: int) -> Float[Tensor, "rows components"]:
    """Log-responsibilities (N, K) of the best of ten k-means clusterings, seeded from torch's global generator."""
    from sklearn.cluster import KMeans

    seed = int(torch.randint(2**31, ()))
    labels = KMeans(num_components, n_init=10, random_state=seed).fit_predict(rows.cpu().numpy())
    places = torch.from_numpy(labels).to(rows.device, torch.int64)
    return nn.functional.one_hot(places, num_components).double().log()


def check_choices(num_components: int, assignment: str = "soft") -> None:
    """Raises where there is no such number of components, or no such E-step."""
    if num_components < 1:
        raise JensenError(f"num_components must be at least 1, got {num_components}: 1 is a single component")
    if assignment not in get_args(Assignment):
        raise unknown("assignment", assignment, get_args(Assignment))


def check_rows(rows: Float[Tensor, "rows dims"], num_components: int) -> None:
    """Raises where there is no start for K components: too few distinct rows, or an entry that no row has."""
    missing = rows.isnan().all(0).nonzero().flatten()
    if len(missing):
        raise JensenError(f"entry {int(missing[0])} of x is missing (NaN) in every row: leave it out")
    distinct = len(rows.nan_to_num(nan=torch.inf).unique(dim=0))
    if distinct < num_components:
        raise JensenError(
            f"a mixture of {num_components} components needs as many distinct rows, got {distinct}: "
            f"lower num_components"
        )
