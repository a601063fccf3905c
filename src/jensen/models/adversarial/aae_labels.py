"""Adversarial autoencoders with a categorical code: semi-supervised, and clustering (Makhzani et al. 2016)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, MixtureSameFamily

from jensen.data.spec import Batch
from jensen.distributions.heads import full_precision
from jensen.models.adversarial.coded import Generative, errors_of
from jensen.models.adversarial.gan import has_won, non_saturating_loss, value
from jensen.models.base import Clock, Turn
from jensen.models.labelled import cross_entropy, labelled_part


class CategoricalAAE(nn.Module):
    """y ~ uniform on K categories, z ~ p(z), x ~ p(x | y, z); the encoder gives q(y | x) and a style z ~ q(z | x).

    Four turns: encoder and decoder raise log p(x | y, z) with the vector q(y | x) in the place of an indicator of y;
    one discriminator tells indicators of uniform y from q(y | x), another draws of p(z) from styles; the encoder learns
    to deceive both; and with labels it raises log q(y | x) on the rows that have one.

    As a model of x it has one latent variable, the style: p(x | z) = (1/K) sum_y p(x | y, z).

    Args:
        prior: () -> p(z), event_shape (Z,).
        trunk: h(x), (B, *event) -> (B, H).
        code: h -> a draw z, (B, Z).
        classes: h -> logits of q(y | x), (B, K).
        decoder: [indicator of y, z], (..., K + Z), -> p(x | y, z).
        style_discriminator: z (B, Z) -> logits (B,).
        category_discriminator: (B, K) -> logits (B,).
        supervised: whether rows with labels are learned from.
        adversary_rate, discriminator_rate: see `AAE`.
    """

    def __init__(
        self,
        prior: Callable[[], Distribution],
        trunk: nn.Module,
        code: nn.Module,
        classes: nn.Linear,
        decoder: nn.Module,
        style_discriminator: nn.Module,
        category_discriminator: nn.Module,
        supervised: bool,
        adversary_rate: float = 1.0,
        discriminator_rate: float = 1.0,
    ) -> None:
        super().__init__()
        self.prior, self.trunk, self.code, self.classes, self.decoder = prior, trunk, code, classes, decoder
        self.style_discriminator, self.category_discriminator = style_discriminator, category_discriminator
        self.supervised = supervised
        self.adversary_rate, self.discriminator_rate = adversary_rate, discriminator_rate
        self.conditional = True  # `given` a category
        self.needs_labels = supervised

    @property
    def num_classes(self) -> int:
        """K."""
        return self.classes.out_features

    def likelihood(self, z: Float[Tensor, "*batch latent"], y: Int[Tensor, "*labels"] | None = None) -> Distribution:
        """p(x | y, z) of labels y, or p(x | z), the mean over all K: batch_shape (...), event_shape of x."""
        every = torch.eye(self.num_classes, dtype=z.dtype, device=z.device)
        if y is not None:
            indicator = every[y]
            return self.decoder(torch.cat([indicator.expand(*z.shape[:-1], -1), z], -1))
        each = every.expand(*z.shape[:-1], -1, -1)
        given_all = self.decoder(torch.cat([each, z[..., None, :].expand(*each.shape[:-1], -1)], -1))
        return MixtureSameFamily(
            Categorical(logits=z.new_zeros(each.shape[:-1]), validate_args=False), given_all, validate_args=False
        )

    def given(self, y: Int[Tensor, "*batch"]) -> Generative:
        """The model of x given y, p(z) p(x | y, z): it can be sampled, and annealed. See `AAE.given`."""
        return Generative(lambda: self.prior().expand(y.shape), lambda z: self.likelihood(z, y))

    @torch.no_grad()
    def sample(self, num_samples: int) -> Shaped[Tensor, "num_samples *event"]:
        """x ~ p(x | y, z), y uniform, z ~ p(z): (N, *event)."""
        return self._drawn(num_samples).sample()

    @torch.no_grad()
    def sample_mean(self, num_samples: int) -> Shaped[Tensor, "num_samples *event"]:
        """E[x | y, z], y uniform, z ~ p(z): (N, *event)."""
        return self._drawn(num_samples).mean

    def _drawn(self, num_samples: int) -> Distribution:
        z = self.prior().sample(torch.Size([num_samples]))
        return self.likelihood(z, torch.randint(self.num_classes, (num_samples,), device=z.device))

    def classify(self, x: Shaped[Tensor, "batch *event"]) -> Float[Tensor, "batch classes"]:
        """log q(y | x), (B, K), nats."""
        return full_precision(self.classes(self.trunk(x))).log_softmax(-1)

    @torch.no_grad()
    def encode(self, x: Shaped[Tensor, "batch *event"]) -> Float[Tensor, "batch latent"]:
        """The style z ~ q(z | x) of each x, (B, Z)."""
        return self.code(self.trunk(x))

    @torch.no_grad()
    def reconstruct(self, x: Shaped[Tensor, "batch *event"]) -> Shaped[Tensor, "batch *event"]:
        """E[x | q(y | x), z] at a draw z ~ q(z | x): (B, *event)."""
        return self._reconstructed(x).mean

    @torch.no_grad()
    def reconstruction_errors(self, x: Shaped[Tensor, "batch *event"]) -> dict[str, Float[Tensor, " batch"]]:
        """See `Coded.reconstruction_errors`."""
        return errors_of(self._reconstructed(x), x)

    def _reconstructed(self, x: Tensor) -> Distribution:
        category, z = self._codes(x)
        return self.decoder(torch.cat([category, z], -1))

    def _codes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """q(y | x) (B, K) and z ~ q(z | x) (B, Z)."""
        h = self.trunk(x)
        return full_precision(self.classes(h)).softmax(-1), self.code(h)

    def initialize(self, x: Shaped[Tensor, "batch *event"]) -> None:
        """Starts the decoder from the data, where it knows how."""
        if hasattr(self.decoder, "initialize"):
            self.decoder.initialize(x)  # type: ignore[operator]

    def turns(self, batch: Batch, clock: Clock) -> Iterator[Turn | tuple[Turn, ...]]:
        """Reconstruction; both discriminators; the encoder against both; the encoder on labelled rows.

        Logged: `reconstruction` E log p(x | q(y | x), z); of each discriminator what `AAE` logs of its own;
        `cross_entropy` and `labelled_accuracy` of the rows with labels.
        """
        rate, coding = self.discriminator_rate, [*self.trunk.parameters(), *self.code.parameters()]
        coding += self.classes.parameters()
        reconstruction = self._reconstructed(batch.x).log_prob(batch.x).mean()
        yield Turn(
            "reconstruction",
            -reconstruction,
            [*coding, *self.decoder.parameters()],
            {"reconstruction": reconstruction.detach()},
        )
        with torch.no_grad():
            category, z = self._codes(batch.x)
            drawn_z = self.prior().sample(torch.Size([len(z)]))
            drawn_y = torch.randint(self.num_classes, (len(z),), device=z.device)
            indicator = nn.functional.one_hot(drawn_y, self.num_classes).to(category.dtype)
        style, kind = self.style_discriminator, self.category_discriminator
        yield (
            discriminator_turn("style_discriminator", style, style(drawn_z), style(z), rate),
            discriminator_turn("category_discriminator", kind, kind(indicator), kind(category), rate),
        )
        category, z = self._codes(batch.x)
        loss = non_saturating_loss(style(z)) + non_saturating_loss(kind(category))
        yield Turn("encoder", loss, coding, {"encoder_loss": loss.detach()}, self.adversary_rate)
        if self.supervised:
            yield self._supervised(batch)

    def warning(self, terms: Mapping[str, float]) -> str | None:
        """Words where a discriminator has won outright, and the setting to change."""
        words = (won(f"{which}_discriminator", terms) for which in ("style", "category"))
        return next((said for said in words if said is not None), None)

    def _supervised(self, batch: Batch) -> Turn:
        """Cross-entropy on the batch of labelled rows where there is one, else on those of `batch` that have labels."""
        x, y = labelled_part(batch)
        loss, accuracy = cross_entropy(self.classify(x), y)
        terms = {"cross_entropy": loss.detach(), "labelled_accuracy": accuracy}
        return Turn("classifier", loss, [*self.trunk.parameters(), *self.classes.parameters()], terms)


def discriminator_turn(
    player: str, discriminator: nn.Module, real: Float[Tensor, " batch"], fake: Float[Tensor, " batch"], rate: float
) -> Turn:
    """The turn of a discriminator between draws (logits `real`) and codes (`fake`), which ascends `gan.value`."""
    v = value(real, fake)
    terms = {
        "loss": -v,
        "jensen_shannon": (v + math.log(4)) / 2,
        "accuracy": ((real > 0).float().mean() + (fake <= 0).float().mean()) / 2,
    }
    detached = {f"{player}_{name}": term.detach() for name, term in terms.items()}
    return Turn(player, -v, list(discriminator.parameters()), detached, rate)


def won(player: str, terms: Mapping[str, float]) -> str | None:
    """What to say where the discriminator `player` tells all codes from draws; None where it does not."""
    accuracy, v = terms[f"{player}_accuracy"], -terms[f"{player}_loss"]
    if not has_won(accuracy, v):
        return None
    return (
        f"the {player.replace('_', ' ')} has won: it tells every code from a draw of the prior (accuracy "
        f"{accuracy:.3f}, value {v:.2g} of at most 0), and the encoder has little to learn from it: narrow "
        "discriminator_hidden, or lower discriminator_rate or learning_rate"
    )
