"""Variational autoencoders of x given y (Sohn, Lee & Yan 2015; Kingma et al. 2014)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.distributions import Distribution

from jensen.data.spec import Batch, Spec
from jensen.distributions import PositiveMap
from jensen.distributions.completed import Completed
from jensen.errors import JensenError, unknown
from jensen.models.conditions import PARTS, Part, condition_for
from jensen.models.latent import posteriors, priors
from jensen.models.latent.compose import Posterior, posterior_for
from jensen.models.latent.likelihoods import choose
from jensen.models.latent.vae import VAE
from jensen.nets import MLP, Activation, Net, decoder, scale_weights
from jensen.nets.conditional import ConditionalEncoder

Given = Literal["label", "vector", "quadrant", "half", "three-quadrants"]
Prior = Literal["normal", "conditional", "flow"]


class ConditionalVAE(nn.Module):
    """p(x | y) = integral of p(z | y) p(x | z, y) dz, with q(z | x, y) to bound it.

    It scores and draws x once it is `given` a y. Each part takes y, as the numbers that `condition` makes of it, as its
    last argument.

    Args:
        condition: what y is: `Label`, `Vector` or `Part` of `jensen.models.conditions`.
        prior: y -> p(z | y), event_shape (Z,).
        posterior: (x, y) -> q(z | x, y), batch_shape (B,), event_shape (Z,).
        likelihood: (z, y) -> p(x | z, y), batch_shape (..., B), event_shape of x.
    """

    conditional = True
    num_modelled: int  # entries of x: all but those that are given

    def __init__(self, condition: Any, prior: nn.Module, posterior: nn.Module, likelihood: nn.Module) -> None:
        super().__init__()
        self.condition = condition
        self.prior = prior
        self.posterior = posterior
        self.likelihood = likelihood

    def condition_of(self, batch: Batch) -> Tensor:
        """The y of each x of a batch."""
        return self.condition.of(batch)

    def given(self, y: Shaped[Tensor, "..."]) -> VAE:
        """The model of x given y: bounds and `sample` take it unchanged.

        Args:
            y: one condition for every x, or one for each: labels () or (B,), vectors or parts (Y,) or (B, Y). Labels
                (C, 1) give bounds (..., C, B) of each x under each label.
        """
        features = self.condition(y)
        bound = VAE(
            lambda: self.prior(features),
            lambda x: self.posterior(x, features),
            lambda z: self.likelihood(z, features),
        )
        bound.batch_shape = features.shape[:-1]
        return bound

    def initialize(self, x: Shaped[Tensor, "batch *event"], y: Tensor | None = None) -> None:
        """Starts p(y) and the likelihood from the data, where they know how; called once before training."""
        for part, values in ((self.condition, y), (self.prior, x), (self.likelihood, x)):
            if hasattr(part, "initialize") and values is not None:
                part.initialize(values)  # type: ignore[operator]


class LabelledVAE(ConditionalVAE):
    """p(x, y) = p(y) p(x | y) for a label y: it can be sampled without one, and tells the label of an x."""

    needs_labels = True

    @torch.no_grad()
    def sample(self, num_samples: int, temperature: float = 1.0) -> Shaped[Tensor, "num_samples *event"]:
        """x ~ p(x | y), y ~ p(y): (N, *event)."""
        return self.given(self.condition.sample(num_samples)).sample(1, temperature)[0]

    @torch.no_grad()
    def sample_mean(self, num_samples: int, temperature: float = 1.0) -> Shaped[Tensor, "num_samples *event"]:
        """E[x | z, y] for z ~ p(z | y), y ~ p(y): (N, *event), what figures usually show."""
        return self.given(self.condition.sample(num_samples)).sample_mean(1, temperature)[0]

    def log_prior(self) -> Float[Tensor, " classes"]:
        """log p(y) of each label, nats."""
        return self.condition.probs.log()


class WithoutCondition(nn.Module):
    """A part that has no use for y, where one that takes it is asked for."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, *arguments: Shaped[Tensor, "..."]) -> Distribution:
        """The part of all but the last argument, which is y."""
        return self.part(*arguments[:-1])


class OfBoth(nn.Module):
    """p(x | z, y): a likelihood whose network takes z with y beside it."""

    def __init__(self, likelihood: nn.Module) -> None:
        super().__init__()
        self.likelihood = likelihood

    def forward(self, z: Float[Tensor, "*batch latent"], y: Float[Tensor, "*conditions"]) -> Distribution:
        """batch_shape (..., B), event_shape of x."""
        shape = torch.broadcast_shapes(z.shape[:-1], y.shape[:-1])
        return self.likelihood(torch.cat([z.expand(*shape, -1), y.expand(*shape, -1)], -1))

    def initialize(self, x: Shaped[Tensor, "batch *event"]) -> None:
        """Starts the likelihood from the data, where it knows how."""
        if hasattr(self.likelihood, "initialize"):
            self.likelihood.initialize(x)  # type: ignore[operator]


class OfTheRest(nn.Module):
    """p(rest of x | z, y) for y a part of x, as a distribution of the whole x.

    Args:
        likelihood: (z, y) -> p(rest | z, y), event_shape (R,).
        is_given: which entries of x are y.
    """

    is_given: Tensor

    def __init__(self, likelihood: OfBoth, is_given: Tensor) -> None:
        super().__init__()
        self.likelihood = likelihood
        self.register_buffer("is_given", is_given, persistent=False)

    def forward(self, z: Float[Tensor, "*batch latent"], y: Float[Tensor, "*conditions"]) -> Completed:
        """batch_shape (..., B), event_shape of x; its log_prob is that of the rest."""
        return Completed(self.likelihood(z, y), y, self.is_given)

    def initialize(self, x: Shaped[Tensor, "batch *event"]) -> None:
        """Starts the likelihood from the rest of the data."""
        self.likelihood.initialize(x.flatten(1)[:, ~self.is_given.flatten()])


class Chosen(nn.Module):
    """Of a decoder's numbers for every entry of x, those of some entries.

    Args:
        net: (..., Z) -> (..., D P).
        chosen: which of the D entries.
    """

    chosen: Tensor

    def __init__(self, net: nn.Module, chosen: Tensor) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("chosen", chosen.flatten(), persistent=False)

    def forward(self, z: Float[Tensor, "*batch latent"]) -> Float[Tensor, "*batch outputs"]:
        """(..., R P)."""
        return self.net(z).unflatten(-1, (len(self.chosen), -1))[..., self.chosen, :].flatten(-2)


def build(
    spec: Spec,
    *,
    given: Given = "label",
    prior: Prior = "normal",
    posterior: Posterior = "diagonal",
    likelihood: choose.Name = "auto",
    likelihood_scale: choose.Scale = "learned",
    scale_floor: float = 1e-3,
    net: Net = "dense",
    latent_dim: int = 10,
    hidden: tuple[int, ...] = (300, 300),
    dense: tuple[int, ...] = (),
    activation: Activation = "elu",
    posterior_map: PositiveMap = "softplus-variance",
    flow_layers: int = 4,
    start_from_data: bool = True,
    init_gain: float = 1.0,
) -> ConditionalVAE:
    """A VAE of x given y; y enters the first layer of the encoder and of the decoder.

    Args:
        spec: the data.
        given: y is the "label", a "vector" of numbers that comes with x, or a part of the image x, the rest of which
            is modelled: its lower left "quadrant", its left "half", or "three-quadrants".
        prior: "normal" is N(0, I) whatever y, "conditional" a diagonal Gaussian p(z | y) that a network finds from y,
            "flow" N(0, I) pushed through layers that see y.
        posterior: a "diagonal" or "full" Gaussian, or a "flow" from the diagonal one.
        likelihood: "auto" is the usual one for the kind of data.
        likelihood_scale: of a Gaussian likelihood.
        scale_floor: the least scale where the decoder gives it.
        net: between x and z: "dense", "convolutional" for images, "recurrent" for series. The prior's is dense.
        latent_dim: Z.
        hidden: widths of the encoder's hidden layers (channels of a convolutional one, units of a recurrent one).
        dense: widths of the layers between the stages of a convolutional encoder and its outputs.
        activation: between the layers.
        posterior_map: how a network's output becomes the scale of q(z | x, y), and of p(z | y).
        flow_layers: of a flow prior or posterior.
        start_from_data: whether the output bias (and a learned scale) starts at the data's mean (and spread).
        init_gain: multiplies the usual initial weights of the layers that feed a nonlinearity.
    """
    if latent_dim < 1:
        raise JensenError(f"latent_dim must be at least 1, got {latent_dim}")
    if posterior == "relaxed-bernoulli":
        raise JensenError("posterior=relaxed-bernoulli is of bits, and no prior here is: set posterior=diagonal")
    condition = _condition(spec, given)
    num_conditions = condition.num_features
    is_part = isinstance(condition, Part)
    rest = replace(spec, event_shape=(spec.num_dims - num_conditions,)) if is_part else spec

    def inward(num_outputs: int) -> nn.Module:
        return ConditionalEncoder(spec, num_conditions, num_outputs, net, hidden, activation, init_gain, dense)

    def outward(num_outputs: int) -> nn.Module:
        of_all = num_outputs // rest.num_dims * spec.num_dims
        made = decoder(spec, latent_dim + num_conditions, of_all, net, hidden, activation, dense)
        scale_weights(made, init_gain)
        return Chosen(made, ~condition.is_given) if is_part else made

    of_both = OfBoth(choose.likelihood_for(rest, outward, likelihood, likelihood_scale, start_from_data, scale_floor))
    if prior not in get_args(Prior):
        raise unknown("prior", prior, get_args(Prior))
    if prior == "normal":
        p_z: nn.Module = WithoutCondition(priors.StandardNormal(latent_dim))
    elif prior == "flow":
        from jensen.models.latent.flow import FlowPrior

        p_z = FlowPrior(latent_dim, flow_layers, num_conditions)
    else:
        widths = [num_conditions, *(hidden if net == "dense" else (300, 300)), 2 * latent_dim]
        p_z = posteriors.DiagonalGaussian(MLP(widths, activation), posterior_map)
    q_z = posterior_for(posterior, latent_dim, inward, posterior_map, flow_layers)
    p_x = OfTheRest(of_both, condition.is_given) if is_part else of_both
    model = LabelledVAE if given == "label" else ConditionalVAE
    made = model(condition, p_z, q_z, p_x)
    made.num_modelled = rest.num_dims
    return made


def _condition(spec: Spec, given: Given) -> Any:
    if given in PARTS:
        return Part(spec, given)
    if given in ("label", "vector"):
        return condition_for(spec, given)
    raise unknown("given", given, get_args(Given))
