"""Two layers of latent variables (Burda, Grosse & Salakhutdinov 2016, section 5)."""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.distributions import Distribution

from jensen.data.spec import Spec
from jensen.distributions import PositiveMap
from jensen.distributions.chain import Chain
from jensen.errors import JensenError
from jensen.models.latent import posteriors, priors
from jensen.models.latent.likelihoods import choose
from jensen.models.latent.vae import VAE
from jensen.nets import MLP, Activation, Net, decoder, encoder, scale_weights


class ChainPrior(nn.Module):
    """p(z1, z2) = p(z2) p(z1 | z2), over z = (z1, z2).

    Args:
        top: () -> p(z2).
        below: z2 -> p(z1 | z2), batch_shape (...), event_shape (Z1,).
        dim: Z1.
    """

    def __init__(self, top: Callable[[], Distribution], below: Callable[[Tensor], Distribution], dim: int) -> None:
        super().__init__()
        self.top, self.below, self.dim = top, below, dim

    def forward(self) -> Chain:
        """batch_shape (), event_shape (Z1 + Z2,)."""
        return Chain(self.top(), self.below, self.dim, reverse=True)


class ChainPosterior(nn.Module):
    """q(z1, z2 | x) = q(z1 | x) q(z2 | z1), over z = (z1, z2).

    Args:
        bottom: x -> q(z1 | x).
        above: z1 -> q(z2 | z1), batch_shape (...), event_shape (Z2,).
        dim: Z2.
    """

    def __init__(
        self, bottom: Callable[[Tensor], Distribution], above: Callable[[Tensor], Distribution], dim: int
    ) -> None:
        super().__init__()
        self.bottom, self.above, self.dim = bottom, above, dim

    def forward(self, x: Shaped[Tensor, "batch *event"]) -> Chain:
        """batch_shape (B,), event_shape (Z1 + Z2,)."""
        return Chain(self.bottom(x), self.above, self.dim)


class OnFirst(nn.Module):
    """p(x | z1) as a function of z = (z1, z2).

    Args:
        likelihood: z1 -> p(x | z1).
        dim: Z1.
    """

    def __init__(self, likelihood: Callable[[Tensor], Distribution], dim: int) -> None:
        super().__init__()
        self.likelihood, self.dim = likelihood, dim

    def forward(self, z: Float[Tensor, "*batch latent"]) -> Distribution:
        """batch_shape (..., B), event_shape of x."""
        return self.likelihood(z[..., : self.dim])

    def initialize(self, x: Shaped[Tensor, "batch *event"]) -> None:
        """The likelihood's own start from the data, where it has one."""
        if hasattr(self.likelihood, "initialize"):
            self.likelihood.initialize(x)


def build(
    spec: Spec,
    *,
    latent_dims: tuple[int, int] = (100, 50),
    net: Net = "dense",
    hidden: tuple[int, ...] = (200, 200),
    upper_hidden: tuple[int, ...] = (100, 100),
    activation: Activation = "tanh",
    posterior_map: PositiveMap = "exp-variance",
    likelihood: choose.Name = "auto",
    likelihood_scale: choose.Scale = "learned",
    start_from_data: bool = True,
    init_gain: float = 1.0,
) -> VAE:
    """p(z2) p(z1 | z2) p(x | z1) under q(z1 | x) q(z2 | z1), every conditional of z a diagonal Gaussian.

    Args:
        spec: the data.
        latent_dims: Z1, next to x, and Z2, above it.
        net: between x and z1; between z1 and z2 it is dense.
        hidden: widths of the encoder's hidden layers between x and z1; the decoder has them reversed.
        upper_hidden: widths between z1 and z2; downwards reversed.
        activation: between the layers.
        posterior_map: how a network's output becomes the scale of q(z1 | x), q(z2 | z1) and p(z1 | z2).
        likelihood: "auto" is the usual one for the kind of data.
        likelihood_scale: of a Gaussian likelihood.
        start_from_data: whether the output bias (and a learned scale) starts at the data's mean (and spread).
        init_gain: multiplies the usual initial weights of the layers that feed a nonlinearity.
    """
    if min(latent_dims) < 1:
        raise JensenError(f"latent_dims must be at least 1 each, got {latent_dims}")
    lower, upper = latent_dims

    def started(made: nn.Module) -> nn.Module:
        scale_weights(made, init_gain)
        return made

    p_x = choose.likelihood_for(
        spec,
        lambda num_outputs: started(decoder(spec, lower, num_outputs, net, hidden, activation)),
        likelihood,
        likelihood_scale,
        start_from_data,
    )
    bottom, up, down = (
        posteriors.DiagonalGaussian(started(made), posterior_map)
        for made in (
            encoder(spec, 2 * lower, net, hidden, activation),
            MLP([lower, *upper_hidden, 2 * upper], activation),
            MLP([upper, *reversed(upper_hidden), 2 * lower], activation),
        )
    )
    return VAE(
        ChainPrior(priors.StandardNormal(upper), down, lower),
        ChainPosterior(bottom, up, upper),
        OnFirst(p_x, lower),
    )
