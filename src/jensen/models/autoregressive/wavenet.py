"""WaveNet: dilated causal convolutions over the samples of a sound, and queues that draw them one at a time.

Source: van den Oord, Dieleman, Zen et al. (2016), WaveNet: a generative model for raw audio. Drawing with queues: Le
Paine, Khorrami, Chang et al. (2016), Fast WaveNet generation algorithm.
"""

from __future__ import annotations

import copy
import math
from collections import deque
from dataclasses import replace
from typing import Any, cast

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional

from jensen.data.spec import Spec
from jensen.distributions.heads import full_precision
from jensen.errors import JensenError
from jensen.models.autoregressive.base import Autoregressive, Conditionals, Walk
from jensen.models.autoregressive.heads import Head, head_for
from jensen.models.conditions import Given, condition_for, num_conditions
from jensen.models.exact import conditioned


class Layer(nn.Module):
    """z_t = tanh(a_t) ⊙ σ(b_t) with (a, b)_t = W h_t + W' h_{t-d} + c; h_t + R z_t goes up and S z_t goes out.

    h is 0 before the start.

    Args:
        channels: of h and z.
        skip_channels: of what goes out.
        dilation: d.
        is_last: whether nothing is above, so that there is no R.
    """

    def __init__(self, channels: int, skip_channels: int, dilation: int, is_last: bool) -> None:
        super().__init__()
        self.dilation = dilation
        self.now = nn.Linear(channels, 2 * channels)
        self.past = nn.Linear(channels, 2 * channels, bias=False)
        self.up = None if is_last else nn.Linear(channels, channels, bias=False)
        self.out = nn.Linear(channels, skip_channels, bias=False)

    def forward(
        self, h: Float[Tensor, "batch time channels"], of_condition: Float[Tensor, "batch channels2"] | None
    ) -> tuple[Float[Tensor, "batch time channels"], Float[Tensor, "batch time skip"]]:
        """What goes up and what goes out, for all t at once."""
        into = self.now(h) + self.past(_later(h, self.dilation))
        if of_condition is not None:
            into = into + of_condition[:, None]
        a, b = into.chunk(2, -1)
        z = a.tanh() * b.sigmoid()
        return h if self.up is None else h + self.up(z), self.out(z)


class WaveNet(Autoregressive):
    """p(x) = ∏_t p(x_t | x_{t-R}, ..., x_{t-1}): the same network at every t, which sees R samples.

    h_t = E x_{t-1} goes through B stacks of L layers of dilations 1, 2, 4, ..., 2^(L-1); what goes out of all of them
    is summed and makes, by relu, linear, relu, linear, the logits of x_t. R = B (2^L - 1) + 1, which is 2^L for B = 1.

    Args:
        spec: what x is, a sequence (T,).
        head: how a sample enters, and what its conditional is.
        layers: L.
        stacks: B.
        channels: of the layers.
        skip_channels: of what goes out of them.
        num_conditions: how many numbers y x is given: V y is added to (a, b) in every layer, at every t.
    """

    def __init__(
        self,
        spec: Spec,
        head: Head,
        *,
        layers: int,
        stacks: int,
        channels: int,
        skip_channels: int,
        num_conditions: int = 0,
    ) -> None:
        super().__init__(spec)
        self.head = head
        dilations = [2**layer for _ in range(stacks) for layer in range(layers)]
        self.receptive_field = sum(dilations) + 1
        self.enter = nn.Linear(head.num_features, channels)
        self.layers = nn.ModuleList(
            Layer(channels, skip_channels, dilation, is_last=place == len(dilations))
            for place, dilation in enumerate(dilations, start=1)
        )
        width = 2 * channels * len(dilations)
        self.of_condition = nn.Linear(num_conditions, width, bias=False) if num_conditions else None
        self.skip_bias = nn.Parameter(torch.zeros(skip_channels))
        self.top = nn.Sequential(
            nn.ReLU(),
            nn.Linear(skip_channels, skip_channels),
            nn.ReLU(),
            nn.Linear(skip_channels, head.num_parameters),
        )

    def conditionals(
        self,
        x: Shaped[Tensor, "batch time"],
        y: Float[Tensor, "batch conditions"] | None = None,
        ordering: int | Tensor = 0,
    ) -> Conditionals:
        """p(x_t | x_<t, y) for every t, in one pass: batch_shape (B, T)."""
        return self.head(full_precision(self.raw(self.head.features(x, self.enter.weight.dtype), y)))

    def raw(
        self, features: Float[Tensor, "batch time features"], y: Float[Tensor, "batch conditions"] | None = None
    ) -> Float[Tensor, "batch time parameters"]:
        """The numbers that each conditional goes by, (B, T, F) -> (B, T, P)."""
        h, summed = _later(self.enter(features), 1), self.skip_bias
        for layer, of_condition in zip(self._each, self._of_condition(y), strict=True):
            h, out = layer(h, of_condition)
            summed = summed + out
        return self.top(summed)

    def walk(self, num_samples: int, y: Float[Tensor, "samples conditions"] | None = None, ordering: int = 0) -> Walk:
        """The same for one t after another: each layer keeps its last d inputs in a queue, and is passed once a t."""
        h = self.enter.weight.new_zeros(num_samples, self.enter.out_features)
        layers = [
            (
                layer.now.bias.expand(num_samples, -1) if of_condition is None else layer.now.bias + of_condition,
                layer.now.weight.T,
                layer.past.weight.T,
                layer.out.weight.T,
                None if layer.up is None else layer.up.weight.T,
                deque([h] * layer.dilation),
            )
            for layer, of_condition in zip(self._each, self._of_condition(y), strict=True)
        ]
        into = h.new_empty(num_samples, 2 * h.shape[1])
        a, b = into.chunk(2, 1)
        for _ in range(self.spec.num_dims):
            summed = self.skip_bias.repeat(num_samples, 1)
            for bias, now, past, outward, up, queue in layers:
                queue.append(h)
                torch.addmm(bias, h, now, out=into).addmm_(queue.popleft(), past)
                z = a.tanh() * b.sigmoid()
                summed.addmm_(z, outward)
                if up is not None:
                    h = torch.addmm(h, z, up)
            x = yield self.head(self.top(summed))
            h = self.enter(self.head.features(x, h.dtype))

    @torch.no_grad()
    def sample(
        self,
        num_samples: int,
        temperature: float = 1.0,
        *,
        top_k: int | None = None,
        top_p: float | None = None,
        given: Shaped[Tensor, "*given"] | None = None,
        y: Float[Tensor, "samples conditions"] | None = None,
        length: int | None = None,
    ) -> Shaped[Tensor, "num_samples time"]:
        """Draws sequences from their start on, as `Autoregressive.sample` says.

        Args:
            num_samples: N.
            temperature, top_k, top_p: as there.
            given: besides what `Autoregressive.sample` takes, a beginning (K,) or (N, K) that is gone on from.
            y: (N, Y), the numbers that x is given, where it is given any.
            length: of each; None is that of the data. The network is the same at every t and sees R samples, so that
                past the first R it goes on as it was trained to, where sequences in training were longer than R.

        Raises:
            JensenError: as there, or where the length is below 1, or what is given is longer.
        """
        options: dict[str, Any] = {"top_k": top_k, "top_p": top_p, "y": y}
        if length is not None:
            return self._of_length(length).sample(num_samples, temperature, given=given, **options)
        (length,) = self.spec.event_shape
        if given is not None and given.shape[-1] > length:
            raise JensenError(
                f"the beginning has {given.shape[-1]} samples and the sequence {length}: give fewer, or "
                f"length={given.shape[-1] + 1} or more"
            )
        if given is not None:
            given = functional.pad(given.double(), (0, length - given.shape[-1]), value=math.nan)
        return super().sample(num_samples, temperature, given=given, **options)

    @torch.no_grad()
    def initialize(self, x: Shaped[Tensor, "batch time"]) -> None:
        """Starts the last layer's bias where it says how often each level is in x; called once before training."""
        self.top[-1].bias.copy_(self.head.start(x.reshape(-1, 1), 1)[0])  # type: ignore[operator]

    @property
    def _each(self) -> list[Layer]:
        return cast(list[Layer], list(self.layers))

    def _of_condition(self, y: Tensor | None) -> list[Tensor | None]:
        """V y of each layer, (B, 2 C)."""
        if self.of_condition is None:
            return [None] * len(self.layers)
        return list(self.of_condition(y).chunk(len(self.layers), -1))

    def _of_length(self, length: int) -> WaveNet:
        """The same network over sequences of another length; its parameters are these."""
        if length < 1:
            raise JensenError(f"length must be at least 1, got {length}: it is the number of samples of one draw")
        other = copy.copy(self)
        other.spec = replace(self.spec, event_shape=(length,))
        other._buffers = {**self._buffers, "order": torch.arange(length, device=self.order.device)}
        return other


def _later(h: Float[Tensor, "batch time channels"], steps: int) -> Float[Tensor, "batch time channels"]:
    """h_{t - steps} for every t, 0 before the start."""
    return functional.pad(h, (0, 0, steps, 0))[:, : h.shape[1]]


def build(
    spec: Spec,
    *,
    layers: int = 10,
    stacks: int = 1,
    channels: int = 32,
    skip_channels: int = 64,
    given: Given = "none",
) -> nn.Module:
    """A WaveNet for sequences (T,) of bits, categories or 8-bit levels, as the mu-law levels of a sound are.

    Args:
        spec: what x is.
        layers: of a stack; their dilations are 1, 2, 4, ..., so that one stack sees 2^layers samples.
        stacks: how many, one on the other.
        channels: of each layer.
        skip_channels: of what all layers together give the output.
        given: what x is given: "none", its "label", or the "vector" of numbers that comes with it.

    Raises:
        JensenError: where x is no such sequence, or a setting is out of range.

    >>> model = build(Spec((12,), "8-bit", levels=256), layers=3)
    >>> model.sample(2).shape, model.sample(2, length=40).shape
    (torch.Size([2, 12]), torch.Size([2, 40]))
    """
    if len(spec.event_shape) != 1:
        other = "pixelcnn or made" if len(spec.event_shape) == 3 else "ar"
        raise JensenError(
            f"wavenet needs sequences (T,), as a WAV file gives, got x of shape {spec.event_shape}: choose {other}"
        )
    if spec.kind not in ("binary", "categorical", "8-bit"):
        raise JensenError(
            f"wavenet needs sequences of bits or levels, as a WAV file gives, got kind '{spec.kind}': choose made or "
            "nsf for rows of numbers"
        )
    sizes = {"layers": layers, "stacks": stacks, "channels": channels, "skip_channels": skip_channels}
    for name, value in sizes.items():
        if value < 1:
            raise JensenError(f"{name} must be at least 1, got {value}")
    if layers > 20:
        raise JensenError(f"layers={layers} see 2^{layers} samples: choose 20 or fewer, and more stacks")
    condition = condition_for(spec, given)
    density = WaveNet(
        spec,
        head_for(spec, "wavenet", 1, 0.0),
        layers=layers,
        stacks=stacks,
        channels=channels,
        skip_channels=skip_channels,
        num_conditions=num_conditions(condition),
    )
    return conditioned(density, condition)
