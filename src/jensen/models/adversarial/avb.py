"""Adversarial variational Bayes (Mescheder, Nowozin & Geiger 2017)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.distributions import Distribution

from jensen.data.spec import Batch, Spec
from jensen.distributions.gaussian import CholeskyGaussian
from jensen.distributions.heads import full_precision
from jensen.errors import JensenError
from jensen.models.adversarial.aae_labels import discriminator_turn
from jensen.models.adversarial.coded import Coded
from jensen.models.adversarial.encoders import Discriminator, Features, Parallel
from jensen.models.adversarial.gan import has_won
from jensen.models.base import Clock, Turn
from jensen.models.latent.likelihoods import choose
from jensen.models.latent.priors import StandardNormal
from jensen.nets import Activation, Net, decoder

LEAST_VARIANCE = 1e-6  # keeps a covariance positive definite in single precision


class Draws(NamedTuple):
    """z ~ q(z | x) (B, Z), and r(z | x), the Gaussian with the mean and covariance of q(z | x) over the noise."""

    z: Tensor
    gaussian: CholeskyGaussian


class NoiseBasis(nn.Module):
    """z = m(x) + sum_n a_n(x) v_n(eps_n), eps_n ~ N(0, I): each v_n a network of noise, m and a of x.

    Such a q(z | x) can have any number of modes, and has no density that could be written down. Its mean and covariance
    are known all the same, because the v_n know nothing of x: m + sum_n a_n E v_n and sum_n a_n a_n' Cov v_n, products
    taken elementwise, with the moments of v_n taken over the draws of the batch.

    Args:
        trunk: h(x), (B, *event) -> (B, H).
        num_features: H.
        latent_dim: Z.
        num_basis: N.
        noise_dim: of each eps_n.
        hidden: widths of each v_n's hidden layers.
    """

    def __init__(
        self,
        trunk: nn.Module,
        num_features: int,
        latent_dim: int,
        num_basis: int = 16,
        noise_dim: int = 8,
        hidden: tuple[int, ...] = (64, 64),
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = nn.Linear(num_features, (1 + num_basis) * latent_dim)
        self.basis = Parallel(num_basis, (noise_dim, *hidden, latent_dim))
        self.num_basis, self.noise_dim = num_basis, noise_dim
        self._start_at_the_prior()

    @torch.no_grad()
    def _start_at_the_prior(self) -> None:
        """q(z | x) starts with mean 0 and scale 1 for nearly every x: spread over all modes, to find each."""
        v = self.basis(torch.randn(1000, self.num_basis, self.noise_dim))
        a = (self.num_basis * v.var(0)).rsqrt()
        self.head.weight.mul_(0.1)
        self.head.bias.copy_(torch.cat([-(a * v.mean(0)).sum(0), a.flatten()]))

    def forward(self, x: Shaped[Tensor, "batch *event"]) -> Float[Tensor, "batch latent"]:
        """z ~ q(z | x), (B, Z)."""
        return self.draw(x).z

    def draw(self, x: Shaped[Tensor, "batch *event"]) -> Draws:
        """One z of each x, and the Gaussian of the moments of its q(z | x)."""
        outputs = full_precision(self.head(self.trunk(x))).unflatten(-1, (1 + self.num_basis, -1))
        m, a = outputs[:, 0], outputs[:, 1:]
        noise = torch.randn(len(x), self.num_basis, self.noise_dim, dtype=m.dtype, device=m.device)
        v = full_precision(self.basis(noise))
        mean = v.mean(0)
        with torch.autocast(v.device.type, enabled=False):  # 8 bits of a covariance need not be positive definite
            of_v = torch.einsum("bnk,bnl->nkl", v - mean, v - mean) / len(v)
            covariance = torch.einsum("bnk,bnl,nkl->bkl", a, a, of_v)
        least = LEAST_VARIANCE * torch.eye(m.shape[1], dtype=m.dtype, device=m.device)
        gaussian = CholeskyGaussian(m + (a * mean).sum(1), torch.linalg.cholesky(covariance + least))
        return Draws(m + (a * v).sum(1), gaussian)


class Contrast(nn.Module):
    """T(x, z), a logit for each row: a dense network of h(x) and z."""

    def __init__(self, trunk: nn.Module, discriminator: Discriminator) -> None:
        super().__init__()
        self.trunk, self.discriminator = trunk, discriminator

    def forward(self, x: Shaped[Tensor, "batch *event"], z: Float[Tensor, "batch latent"]) -> Float[Tensor, " batch"]:
        """(B,), in single precision or better."""
        return self.discriminator(self.trunk(x), z)


class AVB(Coded):
    """A variational autoencoder whose q(z | x) is an arbitrary network of x and noise.

    The ELBO needs log q(z | x) - log p(z), which nobody knows; a discriminator T between draws of q(z | x) and of p(z),
    both with their x, has it for its best logit: T*(x, z) = log q(z | x) - log p(z). Far apart distributions are told
    apart without being known well, so by default T compares q(z | x) with r(z | x), the Gaussian of its own mean and
    covariance, in coordinates in which r is N(0, I) (adaptive contrast): T* = log q(z | x) - log r(z | x), and

        ELBO = E_q log p(x | z) + log p(z) - log r(z | x) - T*(x, z).

    With the T of the moment in the place of T* this is an estimate and no bound, and it is logged as such.

    Args:
        prior: () -> p(z).
        encoder: x -> z; `draw(x)` gives z ~ q(z | x) and r(z | x), as `NoiseBasis` does.
        likelihood: z -> p(x | z).
        contrast: T, (x, z) -> logits (B,).
        adaptive_contrast: whether T compares q with r; else with p(z).
        contrast_rate: times the learning rate is T's.
    """

    def __init__(
        self,
        prior: Callable[..., Distribution],
        encoder: nn.Module,
        likelihood: Callable[..., Distribution],
        contrast: nn.Module,
        adaptive_contrast: bool = True,
        contrast_rate: float = 1.0,
    ) -> None:
        super().__init__(prior, encoder, likelihood)
        self.contrast, self.adaptive_contrast, self.contrast_rate = contrast, adaptive_contrast, contrast_rate

    def turns(self, batch: Batch, clock: Clock) -> Iterator[Turn]:
        """The model ascends the estimate of the ELBO under T; then T learns to tell q(z | x) from r(z | x) or p(z).

        Logged: `reconstruction` E_q log p(x | z); `estimated_kl` of q(z | x) from p(z), and `estimated_elbo`, both by
        T, which may err on either side; what a discriminator logs.
        """
        x = batch.x
        draws = self.encoder.draw(x)  # type: ignore[attr-defined]
        reconstruction = self.likelihood(draws.z).log_prob(x)
        kl = self._log_ratio(x, draws)
        estimate = (reconstruction - kl).mean()
        figures = {"reconstruction": reconstruction.mean(), "estimated_kl": kl.mean(), "estimated_elbo": estimate}
        contrast = set(self.contrast.parameters())
        yield Turn(
            "model",
            -estimate,
            [parameter for parameter in self.parameters() if parameter not in contrast],
            {name: figure.detach() for name, figure in figures.items()},
        )
        with torch.no_grad():
            draws = self.encoder.draw(x)  # type: ignore[attr-defined]
            compared = self.prior().sample(torch.Size([len(x)]))
            if self.adaptive_contrast:
                compared = torch.randn_like(compared)
        of_q, of_r = self.contrast(x, self._seen(draws)), self.contrast(x, compared)
        yield discriminator_turn("discriminator", self.contrast, of_q, of_r, self.contrast_rate)

    def warning(self, terms: Mapping[str, float]) -> str | None:
        """Words where T tells all draws apart, and so knows no ratio, and the setting to change."""
        accuracy, v = terms["discriminator_accuracy"], -terms["discriminator_loss"]
        if not has_won(accuracy, v):
            return None
        return (
            f"T tells every draw of q(z | x) from what it is compared with (accuracy {accuracy:.3f}, value {v:.2g} of "
            "at most 0), so its log-ratio is too small and so is the estimated KL: lower learning_rate, or set "
            f"{'num_basis higher' if self.adaptive_contrast else 'adaptive_contrast=true'}"
        )

    def _log_ratio(self, x: Tensor, draws: Draws) -> Float[Tensor, " batch"]:
        """log q(z | x) - log p(z) as T has it, (B,), nats."""
        t = self.contrast(x, self._seen(draws))
        if not self.adaptive_contrast:
            return t
        return t + draws.gaussian.log_prob(draws.z) - self.prior().log_prob(draws.z)

    def _seen(self, draws: Draws) -> Float[Tensor, "batch latent"]:
        """z as T sees it."""
        if not self.adaptive_contrast:
            return draws.z
        centred = (draws.z - draws.gaussian.loc)[..., None]
        return torch.linalg.solve_triangular(draws.gaussian.scale_tril, centred, upper=False).squeeze(-1)


def build(
    spec: Spec,
    *,
    adaptive_contrast: bool = True,
    contrast_rate: float = 1.0,
    likelihood: choose.Name = "auto",
    likelihood_scale: choose.Scale = "learned",
    latent_dim: int = 10,
    net: Net = "dense",
    hidden: tuple[int, ...] = (300, 300),
    contrast_hidden: tuple[int, ...] = (256, 256),
    num_basis: int = 16,
    noise_dim: int = 8,
    activation: Activation = "elu",
) -> AVB:
    """A VAE with p(z) = N(0, I) and an implicit q(z | x); the decoder mirrors the encoder.

    Args:
        spec: the data.
        adaptive_contrast: whether T compares q(z | x) with a Gaussian of its own moments; else with p(z).
        contrast_rate: T's learning rate as a multiple of the model's.
        likelihood: "auto" is the usual one for the kind of data.
        likelihood_scale: of a Gaussian likelihood.
        latent_dim: Z.
        net: "dense", "convolutional" for images, "recurrent" for series.
        hidden: widths of the encoder's hidden layers; T sees x through a network of the same.
        contrast_hidden: widths of the layers in which T sees x and z together.
        num_basis: how many functions of noise z is a sum of.
        noise_dim: numbers of noise in each.
        activation: between the layers.
    """
    for name, number in (("latent_dim", latent_dim), ("num_basis", num_basis), ("noise_dim", noise_dim)):
        if number < 1:
            raise JensenError(f"{name} must be at least 1, got {number}")
    trunk, seen = (Features(spec, net, hidden, activation) for _ in range(2))
    width = trunk.num_features
    p_x = choose.likelihood_for(
        spec,
        lambda outputs: decoder(spec, latent_dim, outputs, net, hidden, activation),
        likelihood,
        likelihood_scale,
    )
    return AVB(
        StandardNormal(latent_dim),
        NoiseBasis(trunk, width, latent_dim, num_basis, noise_dim),
        p_x,
        Contrast(seen, Discriminator(width + latent_dim, contrast_hidden)),
        adaptive_contrast,
        contrast_rate,
    )
