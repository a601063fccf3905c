"""The autoencoder, plain and denoising (Hinton & Salakhutdinov 2006; Vincent et al. 2008, 2010)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from jensen.data.spec import Batch, Spec
from jensen.distributions.heads import full_precision
from jensen.errors import JensenError, unknown
from jensen.models.base import Clock, Turn
from jensen.models.latent.likelihoods.start import set_output_bias
from jensen.nets import Activation, decoder, encoder

Loss = Literal["squared-error", "bernoulli"]
Noise = Literal["none", "gaussian", "mask"]


class Autoencoder(nn.Module):
    """z = f(x), x^ = g(z), trained so that g(f(x~)) is near x for a corrupted x~.

    Nothing here is random but the corruption: there is no p(x), and so neither a density nor samples.

    Args:
        encoder: f, (B, *event) -> (B, Z).
        decoder: g, (B, Z) -> (B, D): x^ itself, or its logits under the loss "bernoulli".
        event_shape: the shape of x; its product is D.
        loss: "squared-error", sum_d (x_d - x^_d)^2, or "bernoulli", the cross-entropy
            -sum_d x_d log x^_d + (1 - x_d) log(1 - x^_d) in nats, for x in [0, 1].
        noise: "none", x~ = x; "gaussian", x~ = x + s e with e ~ N(0, I); "mask", x~ is x with each entry set to 0 with
            probability s.
        noise_level: s.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        event_shape: Sequence[int],
        loss: Loss = "squared-error",
        noise: Noise = "none",
        noise_level: float = 0.5,
    ) -> None:
        super().__init__()
        if loss not in get_args(Loss):
            raise unknown("loss", loss, get_args(Loss))
        if noise not in get_args(Noise):
            raise unknown("noise", noise, get_args(Noise))
        if noise == "gaussian" and not noise_level > 0:
            raise JensenError(f"noise_level is the scale of Gaussian noise, above 0, got {noise_level:g}")
        if noise == "mask" and not 0 < noise_level < 1:
            raise JensenError(f"noise_level is the share of entries that a mask clears, in (0, 1), got {noise_level:g}")
        self.encoder = encoder
        self.decoder = decoder
        self.event_shape = tuple(event_shape)
        self.loss, self.noise, self.noise_level = loss, noise, noise_level

    def encode(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch latent"]:
        """z = f(x): (B, Z)."""
        return full_precision(self.encoder(x))

    def decode(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch *event"]:
        """x^ = g(z): (B, *event)."""
        outputs = self._outputs(z)
        return outputs.sigmoid() if self.loss == "bernoulli" else outputs

    @torch.no_grad()
    def reconstruct(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch *event"]:
        """x^ = g(f(x)): (B, *event). Of a corrupted x this is what a denoising autoencoder takes the clean one for."""
        return self.decode(self.encode(x))

    def corrupt(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch *event"]:
        """x~ drawn from the corruption of x: (B, *event)."""
        if self.noise == "gaussian":
            return x + self.noise_level * torch.randn_like(x)
        if self.noise == "mask":
            return x * (torch.rand_like(x) >= self.noise_level)
        return x

    @torch.no_grad()
    def reconstruction_errors(self, x: Float[Tensor, "batch *event"]) -> dict[str, Float[Tensor, " batch"]]:
        """Between x and its reconstruction, for each example (B,): the loss, and the squared error where that is other.

        Trained with noise, also between x and the reconstruction of a fresh x~ ("denoised_..."), and the squared error
        of x~ itself ("noise_squared_error"): what leaving x~ alone would cost.
        """
        errors = self._errors(x, x)
        if self.noise != "none":
            noisy = self.corrupt(x)
            errors |= {f"denoised_{name}": error for name, error in self._errors(x, noisy).items()}
            errors["noise_squared_error"] = (noisy - x).square().flatten(1).sum(1)
        return errors

    def turns(self, batch: Batch, clock: Clock) -> Iterator[Turn]:
        """Descends the loss between x and the reconstruction of x~."""
        means = {name: error.mean() for name, error in self._errors(batch.x, self.corrupt(batch.x)).items()}
        loss = means["cross_entropy" if self.loss == "bernoulli" else "squared_error"]
        yield Turn("model", loss, list(self.parameters()), {name: mean.detach() for name, mean in means.items()})

    def initialize(self, x: Float[Tensor, "batch *event"]) -> None:
        """Starts the output at the data's mean, whatever z is."""
        mean = x.flatten(1).mean(0)
        set_output_bias(self.decoder, mean.clamp(1e-3, 1 - 1e-3).logit() if self.loss == "bernoulli" else mean)

    def _outputs(self, z: Tensor) -> Tensor:
        return full_precision(self.decoder(z)).unflatten(-1, self.event_shape)

    def _errors(self, x: Tensor, given: Tensor) -> dict[str, Tensor]:
        """Between x and the reconstruction of `given`, the loss first."""
        outputs = self._outputs(self.encode(given))
        if self.loss == "squared-error":
            return {"squared_error": (x - outputs).square().flatten(1).sum(1)}
        cross_entropy = functional.binary_cross_entropy_with_logits(outputs, x, reduction="none")
        return {
            "cross_entropy": cross_entropy.flatten(1).sum(1),
            "squared_error": (x - outputs.sigmoid()).square().flatten(1).sum(1),
        }


def build(
    spec: Spec,
    *,
    loss: Loss = "squared-error",
    noise: Noise = "none",
    noise_level: float = 0.5,
    latent_dim: int = 10,
    hidden: tuple[int, ...] = (300, 300),
    activation: Activation = "elu",
) -> Autoencoder:
    """An autoencoder of dense nets; the decoder mirrors the encoder, and without hidden layers both are affine.

    Args:
        spec: of the data: real, grey values in [0, 1], or bits.
        loss: "squared-error", or "bernoulli" for x in [0, 1].
        noise: how x is corrupted in training: "none", "gaussian", or "mask".
        noise_level: the scale of Gaussian noise, or the share of entries that a mask sets to 0.
        latent_dim: Z.
        hidden: widths of the encoder's hidden layers.
        activation: between the layers.
    """
    if spec.kind not in ("real", "unit", "binary"):
        raise JensenError(
            f"an autoencoder needs real values, grey values or bits, got {spec.kind} x: load it without as_levels, "
            "as_counts and columns, or choose a vae, which has a likelihood for it"
        )
    if loss == "bernoulli" and spec.kind == "real":
        raise JensenError("loss=bernoulli needs x in [0, 1], got real values: choose loss=squared-error")
    if latent_dim < 1:
        raise JensenError(f"latent_dim must be at least 1, got {latent_dim}")
    return Autoencoder(
        encoder(spec, latent_dim, "dense", hidden, activation),
        decoder(spec, latent_dim, spec.num_dims, "dense", hidden, activation),
        spec.event_shape,
        loss,
        noise,
        noise_level,
    )
