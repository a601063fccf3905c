"""A variational autoencoder from words: prior, posterior, likelihood and networks, freely composed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, get_args

from torch import nn

from jensen.data.spec import Spec
from jensen.distributions import PositiveMap
from jensen.errors import JensenError, unknown
from jensen.models.latent import posteriors, priors
from jensen.models.latent.likelihoods import choose
from jensen.models.latent.vae import VAE
from jensen.nets import Activation, Net, Squashed, decoder, encoder, scale_weights

Prior = Literal["normal", "uniform", "bernoulli", "mixture", "vamp", "flow"]
Posterior = Literal["diagonal", "full", "flow", "relaxed-bernoulli"]


def build(
    spec: Spec,
    *,
    prior: Prior = "normal",
    posterior: Posterior = "diagonal",
    likelihood: choose.Name = "auto",
    likelihood_scale: choose.Scale = "learned",
    scale_floor: float = 1e-3,
    autoregressive_units: int = 500,
    net: Net = "dense",
    latent_dim: int = 10,
    hidden: tuple[int, ...] = (300, 300),
    dense: tuple[int, ...] = (),
    activation: Activation = "elu",
    posterior_map: PositiveMap = "softplus-variance",
    num_components: int = 500,
    bit_temperature: float = 0.5,
    flow_layers: int = 4,
    start_from_data: bool = True,
    init_gain: float = 1.0,
) -> VAE:
    """A VAE of the parts that the words name; the decoder mirrors the encoder.

    Args:
        spec: the data.
        prior: "normal" is N(0, I); "uniform" and "bernoulli" (relaxed) live in the unit cube; "mixture" is a learned
            mixture of Gaussians, "vamp" one of the posteriors of learned pseudo-inputs, "flow" a pushed N(0, I).
        posterior: a "diagonal" or "full" Gaussian, a "flow" from the diagonal one, or "relaxed-bernoulli".
        likelihood: "auto" is the usual one for the kind of data.
        likelihood_scale: of a Gaussian likelihood.
        scale_floor: the least scale where the decoder gives it.
        autoregressive_units: of an autoregressive likelihood's two masked layers, each.
        net: "dense", "convolutional" for images, "recurrent" for series.
        latent_dim: Z.
        hidden: widths of the encoder's hidden layers (channels of a convolutional one, units of a recurrent one).
        dense: widths of the layers between the stages of a convolutional encoder and its outputs.
        activation: between the layers.
        posterior_map: how the encoder's output becomes the posterior's scale.
        num_components: of a mixture or vamp prior.
        bit_temperature: of relaxed bits, in prior and posterior.
        flow_layers: of a flow prior or posterior.
        start_from_data: whether the output bias (and a learned scale) starts at the data's mean (and spread).
        init_gain: multiplies the usual initial weights of the layers that feed a nonlinearity.
    """
    if latent_dim < 1:
        raise JensenError(f"latent_dim must be at least 1, got {latent_dim}")

    def inward(num_outputs: int) -> nn.Module:
        made = encoder(spec, num_outputs, net, hidden, activation, dense)
        scale_weights(made, init_gain)
        return made

    def outward(num_outputs: int) -> nn.Module:
        made = decoder(spec, latent_dim, num_outputs, net, hidden, activation, dense)
        scale_weights(made, init_gain)
        return Squashed(made) if prior in ("uniform", "bernoulli") else made

    if posterior == "relaxed-bernoulli" and prior != "bernoulli":
        raise JensenError(f"posterior=relaxed-bernoulli is of bits, and prior={prior} is not: set prior=bernoulli")
    q_z = posterior_for(posterior, latent_dim, inward, posterior_map, flow_layers, bit_temperature)
    p_x = choose.likelihood_for(
        spec, outward, likelihood, likelihood_scale, start_from_data, scale_floor, autoregressive_units
    )
    return VAE(_prior(prior, spec, latent_dim, num_components, bit_temperature, flow_layers, q_z), q_z, p_x)


def posterior_for(
    word: Posterior,
    latent_dim: int,
    inward: Callable[[int], nn.Module],
    posterior_map: PositiveMap = "softplus-variance",
    flow_layers: int = 4,
    bit_temperature: float = 0.5,
) -> nn.Module:
    """The module of q(z | x) that the word names, on the network that `inward` makes for so many outputs."""
    if word == "diagonal":
        return posteriors.DiagonalGaussian(inward(2 * latent_dim), posterior_map)
    if word == "full":
        outputs = posteriors.FullGaussian.num_outputs(latent_dim)
        return posteriors.FullGaussian(inward(outputs), latent_dim, posterior_map)
    if word == "flow":
        from jensen.models.latent import flow

        couplings = flow.Couplings(latent_dim, flow.CONTEXT, flow_layers)
        return flow.FlowPosterior(inward(2 * latent_dim + flow.CONTEXT), couplings, posterior_map)
    if word == "relaxed-bernoulli":
        return posteriors.RelaxedBernoulli(inward(latent_dim), bit_temperature)
    raise unknown("posterior", word, get_args(Posterior))


def _prior(
    word: Prior, spec: Spec, latent_dim: int, num_components: int, temperature: float, flow_layers: int, q_z: nn.Module
) -> nn.Module:
    if word == "vamp":
        if spec.kind in ("categorical", "mixed"):
            raise JensenError("prior=vamp learns inputs, and categories are no numbers to learn: set prior=mixture")
        return priors.VampPrior(q_z, spec.event_shape, num_components, spec.kind in ("binary", "unit"))
    if word == "flow":
        from jensen.models.latent import flow

        return flow.FlowPrior(latent_dim, flow_layers)
    made: dict[str, Any] = {
        "normal": priors.StandardNormal,
        "uniform": priors.Uniform,
        "bernoulli": partial(priors.RelaxedBernoulli, temperature=temperature),
        "mixture": partial(priors.GaussianMixture, num_components=num_components),
    }
    if word not in made:
        raise unknown("prior", word, get_args(Prior))
    return made[word](latent_dim)
