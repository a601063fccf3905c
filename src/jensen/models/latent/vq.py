"""The vector-quantised variational autoencoder (van den Oord, Vinyals & Kavukcuoglu 2017)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.distributions import Distribution

from jensen.data.spec import Batch, Spec
from jensen.distributions.heads import full_precision
from jensen.distributions.point_mass import PointMass
from jensen.errors import JensenError, unknown
from jensen.models.base import Clock, Turn
from jensen.models.latent.code_prior import Codes, MaskedCodes
from jensen.models.latent.likelihoods import choose
from jensen.nets.code_maps import DenseMapDecoder, DenseMapEncoder, MapDecoder, MapEncoder, MapNet
from jensen.nets.mlp import Activation

Learning = Literal["ema", "loss"]

DECAY = 0.99  # of the running sums of codebook="ema", and of how often each code is taken
DEAD = 0.03  # the share of an even use below which a code is restarted


class Quantised(NamedTuple):
    """codes c (B, h, w); vectors e_c (B, h, w, E), with the gradient of the codebook where it has one."""

    codes: Tensor
    vectors: Tensor


class Codebook(nn.Module):
    """K vectors e_k (K, E); a vector is coded by the number of the nearest.

    Args:
        num_codes: K.
        width: E.
        learning: "ema", e_k is the running mean of the vectors that it codes; "loss", a parameter that descends
            |e_k - v|^2 over them.
        restart: whether a code that is hardly taken is put where a vector of the batch is.
    """

    vectors: Tensor
    usage: Tensor
    sums: Tensor

    def __init__(self, num_codes: int, width: int, learning: Learning = "ema", restart: bool = True) -> None:
        super().__init__()
        if learning not in get_args(Learning):
            raise unknown("codebook", learning, get_args(Learning))
        self.learning, self.restart = learning, restart
        start = torch.randn(num_codes, width) / math.sqrt(width)
        self.register_buffer("usage", torch.full((num_codes,), 1 / num_codes))  # shares of all vectors, running
        if learning == "loss":
            self.vectors = nn.Parameter(start)
        else:
            self.register_buffer("vectors", start)
            self.register_buffer("sums", start / num_codes)  # of the vectors that each codes, running

    @torch.no_grad()
    def nearest(self, vectors: Float[Tensor, "*batch embedding"]) -> Int[Tensor, "*batch"]:
        """argmin_k |v - e_k|, (...)."""
        with torch.autocast(vectors.device.type, enabled=False):
            v, e = full_precision(vectors), self.vectors
            return (e.square().sum(-1) - 2 * v @ e.T).argmin(-1)

    def forward(self, vectors: Float[Tensor, "*batch embedding"]) -> Quantised:
        """The nearest of each vector."""
        codes = self.nearest(vectors)
        return Quantised(codes, self.vectors[codes])

    @torch.no_grad()
    def follow(self, vectors: Float[Tensor, "*batch embedding"], codes: Int[Tensor, "*batch"]) -> None:
        """One step of the running means, and the restart of dead codes."""
        v = full_precision(vectors).flatten(0, -2)
        taken = nn.functional.one_hot(codes.flatten(), len(self.vectors)).to(v.dtype)
        self.usage.lerp_(taken.mean(0), 1 - DECAY)
        if self.learning == "ema":
            with torch.autocast(v.device.type, enabled=False):
                self.sums.lerp_(taken.T @ v / len(v), 1 - DECAY)
            self.vectors.copy_(self.sums / self.usage[:, None].clamp_min(1e-12))
        if self.restart:
            dead = self.usage < DEAD / len(self.usage)
            fresh = v[torch.randint(len(v), (len(self.vectors),), device=v.device)]
            self._put(torch.where(dead[:, None], fresh, self.vectors), dead)

    def _put(self, vectors: Float[Tensor, "codes embedding"], where: Tensor) -> None:
        """Sets the vectors; those of `where` count as evenly used from here on."""
        self.usage.copy_(torch.where(where, 1 / len(self.usage), self.usage))
        self.vectors.data.copy_(vectors)
        if self.learning == "ema":
            self.sums.copy_(self.vectors * self.usage[:, None])

    @torch.no_grad()
    def initialize(self, vectors: Float[Tensor, "*batch embedding"]) -> None:
        """Starts the codes at vectors drawn without replacement."""
        v, count = full_precision(vectors).flatten(0, -2), len(self.vectors)
        if len(v) < count:
            raise JensenError(
                f"a codebook of {count:,} is larger than the {len(v):,} code vectors of the data: set num_codes to "
                f"{len(v):,} or less"
            )
        rows = torch.randperm(len(v), device=v.device)[:count]
        self._put(v[rows], torch.ones_like(self.usage, dtype=torch.bool))


class VQVAE(nn.Module):
    """c ~ p(c), x ~ p(x | c); the encoder names one map of codes c(x) for each x.

    q(c | x) has all its mass on c(x), so log p(x | c(x)) + log p(c(x)) <= log p(x) is the ELBO, exactly known.

    Args:
        encoder: (B, *event) -> vectors (B, h, w, E).
        codebook: of K vectors.
        decoder: vectors (..., h, w, E) -> p(x | c).
        code_prior: called, returns p(c), event_shape (h, w).
        commitment: beta, the weight of |v - e_c|^2 in the encoder's loss.
    """

    discrete_latents = True

    def __init__(
        self,
        encoder: nn.Module,
        codebook: Codebook,
        decoder: Callable[[Tensor], Distribution],
        code_prior: Callable[[], Codes],
        commitment: float = 0.25,
    ) -> None:
        super().__init__()
        self.encoder, self.codebook, self.decoder, self.code_prior = encoder, codebook, decoder, code_prior
        self.commitment = commitment

    def prior(self) -> Codes:
        """p(c): event_shape (h, w)."""
        return self.code_prior()

    def prior_of(self, batch: Batch) -> Codes:
        """p(c) as a step of training has it for the x of a batch."""
        return self.prior()

    def posterior(self, x: Shaped[Tensor, "batch *event"]) -> PointMass:
        """q(c | x), a point mass on c(x): batch_shape (B,), event_shape (h, w)."""
        return PointMass(self.codebook.nearest(self.encoder(x)), 2)

    def likelihood(self, codes: Int[Tensor, "*batch height width"]) -> Distribution:
        """p(x | c): batch_shape (..., B), event_shape of x."""
        return self.decoder(self.codebook.vectors[codes])

    @torch.no_grad()
    def sample(self, num_samples: int, temperature: float = 1.0) -> Shaped[Tensor, "num_samples *event"]:
        """x ~ p(x | c), c ~ p(c): (N, *event). `temperature` divides the logits of the codes."""
        return self.likelihood(self.prior().sample((num_samples,), temperature)).sample()

    @torch.no_grad()
    def sample_mean(self, num_samples: int, temperature: float = 1.0) -> Shaped[Tensor, "num_samples *event"]:
        """E[x | c], c ~ p(c): (N, *event)."""
        return self.likelihood(self.prior().sample((num_samples,), temperature)).mean

    @torch.no_grad()
    def reconstruct(self, x: Shaped[Tensor, "batch *event"]) -> Shaped[Tensor, "batch *event"]:
        """E[x | c(x)]: (B, *event)."""
        return self.likelihood(self.posterior(x).value).mean

    def initialize(self, x: Shaped[Tensor, "batch *event"]) -> None:
        """Starts the likelihood from the data, and the codebook at what the untrained encoder gives."""
        if hasattr(self.decoder, "initialize"):
            self.decoder.initialize(x)
        with torch.no_grad():
            self.codebook.initialize(torch.cat([self.encoder(some) for some in x.split(500)]))

    def turns(self, batch: Batch, clock: Clock) -> Iterator[Turn]:
        """One player; the loss is a sum over the map and over x, a mean over the batch, in nats and in squares of v:

            -log p(x | c) + beta |v - sg e_c|^2 [+ |sg v - e_c|^2] - log p(c)

        sg holds fixed. The gradient of log p(x | c) passes from e_c to v as if they were one (straight-through); that
        of log p(c) reaches p(c) alone, since codes have none. The term in brackets is codebook="loss".

        Logged: `elbo`; `reconstruction` log p(x | c); `kl` = -log p(c); `bits_per_code`, the KL of one place in bits,
        log2 K if p(c) said nothing; `perplexity` of the codes in the batch, at most K; `commitment` |v - e_c|^2.
        """
        v = full_precision(self.encoder(batch.x))
        quantised = self.codebook(v)
        straight_through = v + (quantised.vectors - v).detach()
        reconstruction = self.decoder(straight_through).log_prob(batch.x).mean()
        log_prior = self.prior_of(batch).log_prob(quantised.codes).mean()
        commitment = _squares(v - quantised.vectors.detach())
        loss = -reconstruction - log_prior + self.commitment * commitment
        if self.codebook.learning == "loss":
            loss = loss + _squares(v.detach() - quantised.vectors)
        shares = torch.bincount(quantised.codes.flatten(), minlength=len(self.codebook.vectors)).to(v.dtype)
        shares = shares / shares.sum()
        terms = {
            "elbo": reconstruction + log_prior,
            "reconstruction": reconstruction,
            "kl": -log_prior,
            "bits_per_code": -log_prior / (quantised.codes[0].numel() * math.log(2)),
            "perplexity": torch.special.entr(shares).sum().exp(),
            "commitment": commitment,
        }
        if self.training:
            # Before the move, as running statistics are: several processes then average what each has found.
            self.codebook.follow(v, quantised.codes)
        yield Turn("model", loss, list(self.parameters()), {name: term.detach() for name, term in terms.items()})


def _squares(differences: Float[Tensor, "batch height width embedding"]) -> Float[Tensor, ""]:
    """Summed over the map, averaged over the batch."""
    return differences.square().flatten(1).sum(1).mean()


def build(
    spec: Spec,
    *,
    num_codes: int = 64,
    code_width: int = 16,
    codebook: Learning = "ema",
    commitment: float = 0.25,
    restart: bool = True,
    likelihood: choose.Name = "auto",
    likelihood_scale: choose.Scale = "learned",
    net: MapNet = "convolutional",
    hidden: tuple[int, ...] = (32, 64),
    num_residual: int = 0,
    num_places: int = 8,
    prior_hidden: tuple[int, ...] = (512,),
    prior_width: int = 16,
    activation: Activation = "relu",
) -> VQVAE:
    """A VQ-VAE whose prior over codes is learned with it; the decoder mirrors the encoder.

    Args:
        spec: the data.
        num_codes: K.
        code_width: numbers in a code's vector.
        codebook: "ema", each vector the running mean of what it codes, or "loss", learned by gradient.
        commitment: weight of the encoder's distance to its codes.
        restart: whether codes that are hardly taken start anew.
        likelihood: "auto" is the usual one for the kind of data.
        likelihood_scale: of a Gaussian likelihood.
        net: "convolutional" for images, with a code for each 2^stages x 2^stages pixels; "dense" for anything.
        hidden: channels of the convolutional stages, widths of dense layers.
        num_residual: residual blocks on the convolutional map, of encoder and decoder each.
        num_places: codes of a dense net.
        prior_hidden: widths of the masked layers of p(c).
        prior_width: numbers that stand for each code there.
        activation: between the layers.
    """
    for name, number in (("num_codes", num_codes - 1), ("code_width", code_width), ("num_places", num_places)):
        if number < 1:
            raise JensenError(f"{name} must be at least {2 if name == 'num_codes' else 1}, got {locals()[name]}")
    if commitment < 0:
        raise JensenError(f"commitment must be at least 0, got {commitment:g}")
    if net not in get_args(MapNet):
        raise unknown("net", net, get_args(MapNet))

    encoder: MapEncoder | DenseMapEncoder
    if net == "dense":
        encoder = DenseMapEncoder(spec, code_width, num_places, hidden, activation)
    else:
        encoder = MapEncoder(spec, code_width, hidden, num_residual, activation)

    def outward(num_outputs: int) -> nn.Module:
        if net == "dense":
            return DenseMapDecoder(spec, code_width, num_places, num_outputs, hidden, activation)
        return MapDecoder(spec, code_width, num_outputs, hidden, num_residual, activation)

    return VQVAE(
        encoder,
        Codebook(num_codes, code_width, codebook, restart),
        choose.likelihood_for(spec, outward, likelihood, likelihood_scale),
        MaskedCodes(encoder.map_shape, num_codes, prior_width, prior_hidden),
        commitment,
    )
