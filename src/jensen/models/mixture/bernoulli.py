"""The mixture of products of Bernoullis, fitted by expectation maximisation.

Source: McLachlan and Peel (2000), Finite Mixture Models; Bishop (2006), Pattern Recognition and Machine Learning,
section 9.3.3.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from jensen.data.spec import Spec
from jensen.errors import JensenError
from jensen.models.mixture.base import Assignment, FiniteMixture, check_choices, check_rows, has_missing


class BernoulliMixture(FiniteMixture):
    """p(x) = Σ_k π_k ∏_d μ_kd^x_d (1 - μ_kd)^(1 - x_d) over the flattened event of D bits, a probability.

    The parameters are buffers in float64: `weights` π (K,) and `means` μ (K, D), the probability of each bit. A mean
    may reach 0 or 1: then 0 log 0 is 0, and x has probability 0 where such a bit says otherwise.

    With a `pseudocount` a > 0 every mean has the prior Beta(1 + a, 1 + a), and EM climbs to the mode of the posterior:
    to the maximum of log p(X | π, μ) + log p(μ), which is no longer maximum likelihood. It is as if each component had
    seen a more ones and a more zeros of every bit, so that nothing is impossible only because it was not seen.

    Bits that are NaN are missing: log p is of the others.

    Args:
        spec: what x is.
        num_components: K.
        pseudocount: a.
        assignment: the q(z) of the E-step, see `FiniteMixture`.
    """

    means: Tensor

    def __init__(
        self, spec: Spec, *, num_components: int, pseudocount: float = 0.0, assignment: Assignment = "soft"
    ) -> None:
        super().__init__(spec, num_components, assignment)
        self.pseudocount = pseudocount
        self.register_buffer("means", torch.full((num_components, spec.num_dims), 0.5, dtype=torch.float64))

    @property
    def num_free_parameters(self) -> int:
        """K - 1 weights and K D means."""
        return self.num_components - 1 + self.means.numel()

    def log_joint(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch components"]:
        """log p(x, z = k) = log π_k + Σ_d log Bernoulli(x_d; μ_kd), (N, K): -inf where component k rules x out."""
        rows, there = _bits(x)
        log_one, log_zero = self.means.log(), (-self.means).log1p()
        never, always = log_one.isneginf(), log_zero.isneginf()
        # 0 log 0 = 0: a certain bit adds nothing, and what contradicts it is counted apart.
        log_one, log_zero = log_one.masked_fill(never, 0.0), log_zero.masked_fill(always, 0.0)
        log_joint = self.weights.log() + _linear(rows, there, log_one, log_zero)
        if never.any() or always.any():
            contradictions = _linear(rows, there, never.double(), always.double())
            log_joint = log_joint.masked_fill(contradictions > 0.5, -torch.inf)
        return log_joint

    def log_parameter_prior(self) -> Tensor | None:
        """log Beta(μ; 1 + a, 1 + a), summed over components and bits, (); None where a is 0."""
        if not self.pseudocount:
            return None
        concentration = self.means.new_tensor(1 + self.pseudocount)
        return torch.distributions.Beta(concentration, concentration).log_prob(self.means).sum()

    @torch.no_grad()
    def m_step(self, x: Float[Tensor, "batch *event"], log_responsibilities: Float[Tensor, "batch components"]) -> None:
        """Sets the parameters to the maximisers of Σ_n Σ_k r_nk log p(x_n, z_n = k) + log p(μ), r the responsibilities.

        With N_k = Σ_n r_nk: π_k = N_k / N and μ_k = (Σ_n r_nk x_n + a) / (N_k + 2a), both sums over the x that have the
        bit. A component that has nothing to go by, N_k = 0 and a = 0, keeps its mean; its weight is 0.
        """
        rows, there = _bits(x)
        responsibilities = log_responsibilities.exp().T
        counts = responsibilities.sum(1, keepdim=True)
        self.weights.copy_((counts / counts.sum()).squeeze(1))
        counts = counts if there is None else responsibilities @ there
        totals = counts + 2 * self.pseudocount
        means = (responsibilities @ rows + self.pseudocount) / totals
        # The two sums are rounded apart, and their ratio may come out a bit above 1.
        self.means.copy_(torch.where(totals > 0, means.clamp(max=1.0), self.means))

    @torch.no_grad()
    def initialize(self, x: Float[Tensor, "batch *event"]) -> None:
        """Starts each component halfway between the mean of x and another of its rows, from torch's global generator.

        Raises:
            JensenError: where x has fewer distinct rows than there are components, or a bit that no row has.
        """
        rows = x.flatten(1).double()
        check_rows(rows, self.num_components)
        # With half a count to each side no bit is certain at the start.
        mean = (rows.nansum(0) + 0.5) / ((~rows.isnan()).sum(0) + 1)
        distinct = torch.where(rows.isnan(), mean, rows).unique(dim=0)
        chosen = torch.randperm(len(distinct))[: self.num_components].to(distinct.device)
        self.means.copy_((distinct[chosen] + mean) / 2)
        self.weights.fill_(1 / self.num_components)

    @torch.no_grad()
    def sample(self, num_samples: int) -> Float[Tensor, "num_samples *event"]:
        """Draws z from π, then each bit from μ_z: (N, *event), 0 or 1 in the default floating point type."""
        x = torch.bernoulli(self.means[self.draw_components(num_samples)])
        return x.to(torch.get_default_dtype()).view(num_samples, *self.spec.event_shape)


def build(
    spec: Spec, *, num_components: int = 10, pseudocount: float = 0.0, assignment: Assignment = "soft"
) -> BernoulliMixture:
    """A mixture of products of Bernoullis for binary x.

    Args:
        spec: what x is.
        num_components: K.
        pseudocount: a of the prior Beta(1 + a, 1 + a) of each mean; above 0, EM climbs to the mode of the posterior.
        assignment: "soft" is EM; "hard" gives each x wholly to its most probable component, which is no longer
            maximum likelihood.

    Raises:
        JensenError: where x is not binary, is a single bit, or a number is out of range.

    >>> model = build(Spec((2, 3), "binary"), num_components=4)
    >>> model.log_prob(model.sample(5)).shape
    torch.Size([5])
    """
    if spec.kind != "binary":
        raise JensenError(
            f"bernoulli-mixture needs binary x, got kind '{spec.kind}': load images with binarize=dynamic, or choose "
            "gaussian-mixture for real x"
        )
    check_choices(num_components, assignment)
    if spec.num_dims == 1 and num_components > 1:
        raise JensenError(
            f"a mixture of {num_components} components of a single bit is one Bernoulli, whatever they are: set "
            "num_components=1, or give more columns"
        )
    if pseudocount < 0:
        raise JensenError(f"pseudocount must be at least 0, got {pseudocount}: 0 is maximum likelihood")
    return BernoulliMixture(spec, num_components=num_components, pseudocount=pseudocount, assignment=assignment)


def _bits(x: Tensor) -> tuple[Tensor, Tensor | None]:
    """The rows (N, D) with 0 where a bit is missing, and which are there, 0 or 1; None where all are."""
    rows = x.flatten(1).double()
    if not has_missing(rows):
        return rows, None
    return rows.nan_to_num(nan=0.0), (~rows.isnan()).double()


def _linear(rows: Tensor, there: Tensor | None, of_one: Tensor, of_zero: Tensor) -> Tensor:
    """Σ_d of_one_kd where x_nd is 1 and of_zero_kd where it is 0, over the bits that are there, (N, K)."""
    zeros = of_zero.sum(1) if there is None else there @ of_zero.T
    return rows @ (of_one - of_zero).T + zeros
