"""What the autoregressive models of images have in common: pixels in raster order, R before G before B within each.

Source: van den Oord, Kalchbrenner and Kavukcuoglu (2016), Pixel recurrent neural networks.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn

from jensen.data.spec import Spec
from jensen.distributions.heads import full_precision
from jensen.errors import JensenError
from jensen.models.autoregressive.base import Autoregressive, Conditionals, Walk, parts_of
from jensen.models.autoregressive.heads import Bits, Levels

_PIXELS = 2**14  # at a time, in evaluation on a processor


@runtime_checkable
class PixelWalk(Protocol):
    """A network that is asked for one pixel after another, and keeps of those before what it needs of them.

    It is used so, for each row: `begin_row()`, then for each column, and each channel of the pixel, `raw(column,
    pixel)`, and once the pixel is whole `end_pixel(column, pixel)`. A pixel (N, C) holds numbers as the network's x
    has them, and 0 for the channels that are not drawn yet.
    """

    def begin_row(self) -> None:
        """The next row begins; the first time it is row 0. All that depends on rows above alone can be found here."""
        ...

    def raw(self, column: int, pixel: Float[Tensor, "samples channels"]) -> Float[Tensor, "samples outputs"]:
        """What `Pixelwise.raw` has at this row and column, (N, C P), right at the first channel not drawn yet."""
        ...

    def end_pixel(self, column: int, pixel: Float[Tensor, "samples channels"]) -> None:
        """The pixel at this column is whole."""
        ...


class Pixelwise(Autoregressive):
    """p(x) = ∏_pixels p(R | before) p(G | before, R) p(B | before, R, G), of numbers b + r(before, y).

    An intensity enters the network as one number, 2 x / (L - 1) - 1 of L levels, a bit as 0 or 1; what is given for one
    are P numbers, the log-odds of a bit or the logits of the L levels. A subclass writes r: `raw` for all pixels at
    once, `pixel_walk` for one after another; density, samples and completions follow.

    Args:
        spec: what x is: see `image_head`.
        name: of the model, for messages.
    """

    def __init__(self, spec: Spec, name: str) -> None:
        super().__init__(spec, pixel_order(spec))
        self.head = image_head(spec, name)
        self.bias = nn.Parameter(self.head.start(None, spec.event_shape[0]).flatten())  # b, (C P,)

    @abstractmethod
    def raw(
        self, x: Float[Tensor, "batch channels height width"], y: Float[Tensor, "batch conditions"] | None
    ) -> Float[Tensor, "batch outputs height width"]:
        """r: the P numbers of channel 0, then those of channel 1, ... at every pixel: (B, C, H, W) -> (B, C P, H, W).

        x are the numbers that enter. Those of a channel may depend on the pixels before, in raster order, and on the
        channels before at the pixel itself.
        """

    @abstractmethod
    def pixel_walk(self, num_samples: int, y: Float[Tensor, "samples conditions"] | None) -> PixelWalk:
        """The same network, of N images, about to be asked for their first row. Called without gradient."""

    def conditionals(
        self,
        x: Shaped[Tensor, "batch channels height width"],
        y: Float[Tensor, "batch conditions"] | None = None,
        ordering: int | Tensor = 0,
    ) -> Conditionals:
        """p(x_i | x_<i, y) for every entry i, in one pass: batch_shape (B, C, H, W)."""
        channels = x.shape[1]
        raw = full_precision(self._raw(self.head.features(x, self.bias.dtype)[..., 0], y)) + self.bias[:, None, None]
        return self.head(raw.unflatten(1, (channels, -1)).movedim(2, -1))

    def walk(self, num_samples: int, y: Float[Tensor, "samples conditions"] | None = None, ordering: int = 0) -> Walk:
        """The same for one entry after another."""
        channels, height, width = self.spec.event_shape
        network = self.pixel_walk(num_samples, y)
        for _ in range(height):
            network.begin_row()
            for column in range(width):
                pixel = self.bias.new_zeros(num_samples, channels)
                for channel in range(channels):
                    raw = (network.raw(column, pixel) + self.bias).unflatten(1, (channels, -1))
                    value = yield self.head(raw[:, channel])
                    pixel[:, channel] = self.head.features(value, self.bias.dtype)[..., 0]
                network.end_pixel(column, pixel)

    def _raw(self, x: Tensor, y: Tensor | None) -> Tensor:
        """`raw`; on a processor, without a gradient, of a few images at a time."""
        # Features of a thousand images are so large that most of the time would go into getting memory for them.
        if torch.is_grad_enabled() or x.device.type != "cpu":
            return self.raw(x, y)
        count = max(1, _PIXELS // (x.shape[2] * x.shape[3]))
        return torch.cat([self.raw(*part) for part in parts_of(x, y, count)])

    @torch.no_grad()
    def initialize(self, x: Shaped[Tensor, "batch channels height width"]) -> None:
        """Starts b at what the channels of x have, over all their pixels; called once before training."""
        channels = x.shape[1]
        self.bias.copy_(self.head.start(x.movedim(1, -1).reshape(-1, channels), channels).flatten())


def pixel_order(spec: Spec) -> Int64[Tensor, "1 dims"]:
    """The entries of the flattened (C, H, W) in the order in which they are drawn, (1, D).

    >>> pixel_order(Spec((3, 1, 2), "8-bit"))
    tensor([[0, 2, 4, 1, 3, 5]])
    """
    channels = spec.event_shape[0]
    return torch.arange(spec.num_dims).view(channels, -1).T.reshape(1, -1)


def image_head(spec: Spec, name: str) -> Bits | Levels:
    """The conditional that suits x, images (C, H, W) of one or three channels: bits, categories or 8-bit.

    Raises:
        JensenError: where x is no such image.
    """
    if len(spec.event_shape) != 3 or spec.event_shape[0] not in (1, 3):
        raise JensenError(
            f"{name} is of images of shape (1 or 3, height, width), got x of shape {tuple(spec.event_shape)}: "
            "reshape it, or choose made, which is of any shape"
        )
    if spec.kind == "binary":
        return Bits()
    if spec.kind in ("categorical", "8-bit"):
        levels = 256 if spec.kind == "8-bit" else spec.levels
        if levels is None or not 2 <= levels <= 256:
            raise JensenError(f"{name} is of 2 to 256 levels, got {levels}: set Spec.levels, or merge some")
        return Levels(levels, scaled=True)
    raise JensenError(
        f"{name} needs bits, categories or 8-bit x, got kind '{spec.kind}': binarise grey values (binarize=dynamic) or "
        "keep their levels (as_levels=true)"
    )


def check_layers(spec: Spec, kernel_size: int, **counts: int) -> None:
    """Checks the settings of a network on images.

    Args:
        spec: of the images.
        kernel_size: of the first layer.
        counts: by the names of their settings, numbers of features and of layers. Of features every channel needs one.

    Raises:
        JensenError: where the kernel is even, or has weights that see nothing but the border, or a count is too small.
    """
    channels, height, width = spec.event_shape
    if kernel_size < 1 or kernel_size % 2 == 0:
        remedy = f"set {max(kernel_size, 0) + 1}"
        raise JensenError(f"kernel_size must be odd, so that a pixel is in its middle, got {kernel_size}: {remedy}")
    largest = 2 * min(height, width) - 1
    if max(kernel_size, 3) > largest:
        remedy = f"set kernel_size={largest} or less" if largest >= 3 else "choose made, which is of any shape"
        raise JensenError(
            f"an image of {height} x {width} is too small for a kernel that sees {max(kernel_size, 3) // 2} pixels to "
            f"each side: {remedy}"
        )
    for name, count in counts.items():
        least = channels if "width" in name else 1
        if count < least:
            raise JensenError(f"{name} must be at least {least} for {channels} channels, got {count}: set it higher")
