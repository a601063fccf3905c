"""Images from captions: a vector-quantised autoencoder, and a transformer from the caption to its codes.

Source: Yu et al. (2022), Scaling autoregressive models for content-rich text-to-image generation.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Int, Shaped
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn import functional as F

from jensen.data.captions import encoded
from jensen.data.spec import Batch, Spec
from jensen.errors import JensenError
from jensen.models.latent import vq
from jensen.models.latent.caption_prior import CaptionedCodes, Guided
from jensen.models.latent.code_prior import Codes
from jensen.models.latent.likelihoods import choose


class Parti(vq.VQVAE):
    """c ~ p(c | caption), x ~ p(x | c), where the encoder names one map of codes c(x) for each x.

    log p(x | c(x)) + log p(c(x) | caption) <= log p(x | caption). By itself it is a model of x without a caption,
    which it learns from the examples whose caption a step of training leaves out.

    Args:
        encoder, codebook, decoder, commitment: those of a VQ-VAE.
        code_prior: p(c | caption); called, p(c | no caption).
        caption_dropout: the chance that a step of training leaves a caption out.
    """

    conditional = True
    code_prior: CaptionedCodes

    def __init__(
        self,
        encoder: nn.Module,
        codebook: vq.Codebook,
        decoder: Callable[[Tensor], Distribution],
        code_prior: CaptionedCodes,
        commitment: float = 0.25,
        caption_dropout: float = 0.1,
    ) -> None:
        super().__init__(encoder, codebook, decoder, code_prior, commitment)
        self.caption_dropout = caption_dropout

    def condition_of(self, batch: Batch) -> Tensor:
        """The caption of each x of a batch, (B, L) bytes."""
        if batch.y is None or batch.y.dim() != 2 or batch.y.is_floating_point():
            raise JensenError(
                "this model is of x given a caption, and these data have none: choose captioned-shapes, or give a text "
                "for each x as labels"
            )
        return batch.y

    def given(self, y: Shaped[Tensor, "*batch bytes"] | str, guidance: float = 0.0) -> vq.VQVAE:
        """The model of x given captions: bounds and `sample` take it unchanged.

        Args:
            y: a caption in words, or bytes: (L,), one caption for every x, or (B, L), one for each; 0 after their end.
            guidance: w: each code is drawn by the logits (1 + w) given - w without the caption; 0 is the model itself.

        Raises:
            JensenError: a caption longer than the model's, or guidance below 0.
        """
        if not 0 <= guidance < math.inf:
            raise JensenError(f"guidance must be a number from 0 up, got {guidance:g}: 0 draws from the model itself")
        net = Guided(self.code_prior, guidance) if guidance > 0 else self.code_prior
        y = self._fitting(y)
        return vq.VQVAE(self.encoder, self.codebook, self.decoder, lambda: Codes(net, y), self.commitment)

    def prior_of(self, batch: Batch) -> Codes:
        """p(c | caption), where a step of training leaves some captions out."""
        y = self._fitting(self.condition_of(batch))
        if self.training:
            left_out = torch.rand(len(y), device=y.device) < self.caption_dropout
            y = torch.where(left_out[:, None], 0, y)
        return Codes(self.code_prior, y)

    def initialize(self, x: Shaped[Tensor, "batch *event"], y: Tensor | None = None) -> None:
        """Starts the likelihood and the codebook from the data."""
        super().initialize(x)

    def _fitting(self, y: Tensor | str) -> Int[Tensor, "*batch bytes"]:
        """Bytes, 0 after a caption's end, as many as the encoder reads."""
        length, device = self.code_prior.caption_length, self.code_prior.start.device
        if isinstance(y, str):
            return torch.from_numpy(encoded([y], length)[0]).to(device)
        if y.shape[-1] > length and bool((y[..., length:] != 0).any()):
            raise JensenError(f"captions of up to {y.shape[-1]} bytes, the model's have {length}: shorten them")
        return F.pad(y.to(device, torch.int64)[..., :length], (0, max(0, length - y.shape[-1])))


def build(
    spec: Spec,
    *,
    num_codes: int = 64,
    code_width: int = 16,
    commitment: float = 0.25,
    likelihood: choose.Name = "auto",
    likelihood_scale: choose.Scale = "learned",
    hidden: tuple[int, ...] = (32, 64),
    num_residual: int = 0,
    width: int = 128,
    encoder_depth: int = 2,
    depth: int = 4,
    heads: int = 4,
    dropout: float = 0.0,
    caption_dropout: float = 0.1,
) -> Parti:
    """A VQ-VAE of images, and the transformer from captions to its codes, which are learned together.

    Args:
        spec: the data: images with captions.
        num_codes: K.
        code_width: numbers in a code's vector.
        commitment: weight of the encoder's distance to its codes.
        likelihood: "auto" is the usual one for the kind of data.
        likelihood_scale: of a Gaussian likelihood.
        hidden: channels of the convolutional stages; there is a code for each 2^stages x 2^stages pixels.
        num_residual: residual blocks on the map, of encoder and decoder each.
        width: of a place of the transformer.
        encoder_depth: blocks that read the caption.
        depth: blocks that go along the codes.
        heads: of attention; they divide the width.
        dropout: the share of units, and of attention weights, that a step of training leaves out.
        caption_dropout: the chance that a step of training leaves a caption out, which is what guidance needs.

    Raises:
        JensenError: data without captions, or settings that make no network.
    """
    if spec.caption_length is None:
        raise JensenError(
            "parti needs images with captions, and these data have none: choose captioned-shapes or captioned-digits, "
            "or give a text for each image as labels"
        )
    if not 0 < caption_dropout < 1:
        raise JensenError(f"caption_dropout is a chance between 0 and 1, got {caption_dropout:g}: 0.1 is usual")
    tokeniser = vq.build(
        spec,
        num_codes=num_codes,
        code_width=code_width,
        commitment=commitment,
        likelihood=likelihood,
        likelihood_scale=likelihood_scale,
        hidden=hidden,
        num_residual=num_residual,
        prior_hidden=(),  # of its own prior nothing is kept
        prior_width=1,
    )
    code_prior = CaptionedCodes(
        tokeniser.encoder.map_shape,  # type: ignore[arg-type]
        num_codes,
        spec.caption_length,
        width=width,
        encoder_depth=encoder_depth,
        depth=depth,
        heads=heads,
        dropout=dropout,
    )
    return Parti(tokeniser.encoder, tokeniser.codebook, tokeniser.decoder, code_prior, commitment, caption_dropout)
