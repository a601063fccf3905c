"""Distribution augmentation: a density that is told which transformation its image went through.

Source: Jun, Child, Chen, Schulman, Ramesh, Radford and Sutskever (2020), Distribution augmentation for generative
modeling.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from jensen.data.spec import Batch, Spec
from jensen.errors import JensenError, unknown
from jensen.models.autoregressive.base import Autoregressive, Conditionals, Walk
from jensen.models.autoregressive.gated_pixelcnn import GatedPixelCNN
from jensen.models.base import Clock, Turn

TRANSFORMATIONS = ("rotation", "transposition", "color")


class DistAug(Autoregressive):
    """p(x) = p(x | t = identity), of a density p(T_t x | t) that is learned for a whole set of transformations.

    Training raises E_t log p(T_t x | t), t uniform on the set for each x anew, and so sees every image in many ways.
    Augmentation alone raises p(T_t x) without t, and spreads probability over images that the data do not have: up to
    log |set| nats are lost to them. Every T_t is a permutation of the entries of x, so that log p needs no determinant.

    Args:
        density: p(x | y), autoregressive, of y (B, Y), or of x alone where `codes` is None.
        places: (S, D), for each of S transformations the place that each entry of T_t x is taken from; the first is the
            identity.
        codes: (S, Y), what the density is told of each; None tells it nothing.
    """

    places: Tensor
    codes: Tensor | None

    def __init__(
        self,
        density: Autoregressive,
        places: Int64[Tensor, "transformations dims"],
        codes: Float[Tensor, "transformations conditions"] | None,
    ) -> None:
        super().__init__(density.spec, density.orders)
        self.density = density
        self.register_buffer("places", places, persistent=False)
        self.register_buffer("codes", codes, persistent=False)

    def conditionals(
        self, x: Shaped[Tensor, "batch *event"], y: Tensor | None = None, ordering: int | Tensor = 0
    ) -> Conditionals:
        """All p(x_i | x_<i, t = identity) at once; there is no other y."""
        return self.density.conditionals(x, self._identity(len(x)), ordering)

    def walk(self, num_samples: int, y: Tensor | None = None, ordering: int = 0) -> Walk:
        """The same for one entry after another."""
        return self.density.walk(num_samples, self._identity(num_samples), ordering)

    def transformed(
        self, x: Shaped[Tensor, "batch *event"], t: Int64[Tensor, " batch"]
    ) -> Shaped[Tensor, "batch *event"]:
        """T_t x."""
        return x.flatten(1).gather(1, self.places[t]).view_as(x)

    def turns(self, batch: Batch, clock: Clock) -> Iterator[Turn]:
        """One player ascends the mean of log p(T_t x | t), nats; of held-out data log p(x | identity)."""
        x, t = batch.x, torch.zeros(len(batch.x), dtype=torch.int64, device=batch.x.device)
        if self.training:
            t = torch.randint(len(self.places), t.shape, device=x.device)
            x = self.transformed(x, t)
        log_prob = self.density.log_prob(x, None if self.codes is None else self.codes[t]).mean()
        yield Turn("model", -log_prob, list(self.parameters()), {"log_prob": log_prob.detach()})

    def initialize(self, x: Shaped[Tensor, "batch *event"]) -> None:
        """Starts the density from the data, where it knows how; called once before training."""
        if hasattr(self.density, "initialize"):
            self.density.initialize(x)  # type: ignore[operator]

    def _identity(self, count: int) -> Tensor | None:
        return None if self.codes is None else self.codes[:1].expand(count, -1)


def compositions(
    spec: Spec, names: tuple[str, ...]
) -> tuple[Int64[Tensor, "transformations dims"], Float[Tensor, "transformations conditions"]]:
    """Every composition of one transformation of each named group, and an indicator of each of its parts.

    "rotation" by quarter turns, "transposition" or none, and "color", the six orders of three channels.

    Raises:
        JensenError: where a name is unknown or there twice, or the images have no such transformation.

    >>> places, codes = compositions(Spec((1, 2, 2), "binary"), ("transposition",))
    >>> places.tolist(), codes.tolist()
    ([[0, 1, 2, 3], [0, 2, 1, 3]], [[1.0, 0.0], [0.0, 1.0]])
    """
    if not names or len(set(names)) < len(names):
        raise JensenError(f"transformations names each of some groups once, got '{','.join(names)}': {TRANSFORMATIONS}")
    if len(spec.event_shape) != 3:
        raise JensenError(
            f"distaug is of images (channels, height, width), got x of shape {spec.event_shape}: reshape it"
        )
    channels, height, width = spec.event_shape
    sizes = []
    for name in names:
        if name not in TRANSFORMATIONS:
            raise unknown("transformation", name, TRANSFORMATIONS)
        if name == "color" and channels != 3:
            raise JensenError(f"transformations=color needs images of 3 channels, got {channels}: leave it out")
        if name != "color" and height != width:
            raise JensenError(f"transformations={name} needs square images, got {height} x {width}: leave it out")
        sizes.append({"rotation": 4, "transposition": 2, "color": 6}[name])
    start = torch.arange(spec.num_dims).view(spec.event_shape)
    places, codes = [], []
    for chosen in itertools.product(*map(range, sizes)):
        place = start
        for name, k in zip(names, chosen, strict=True):
            place = _one(place, name, k)
        places.append(place.flatten())
        codes.append(torch.cat([torch.eye(size)[k] for size, k in zip(sizes, chosen, strict=True)]))
    return torch.stack(places), torch.stack(codes)


def _one(x: Tensor, name: str, k: int) -> Tensor:
    if name == "rotation":
        return x.rot90(k, (1, 2))
    if name == "transposition":
        return x.transpose(1, 2) if k else x
    return x[list(list(itertools.permutations(range(3)))[k])]


def build(
    spec: Spec,
    *,
    transformations: tuple[str, ...] = ("rotation", "transposition"),
    told: bool = True,
    width: int = 32,
    layers: int = 4,
    kernel_size: int = 5,
    output_width: int = 64,
) -> DistAug:
    """A gated PixelCNN under distribution augmentation, for images of bits, categories or 8-bit values.

    Args:
        spec: what x is.
        transformations: groups of them, "rotation", "transposition" and "color", and all their compositions.
        told: whether the density is told which it was; without it this is augmentation of the data alone.
        width: features of each of the two stacks.
        layers: how many gated layers.
        kernel_size: of the first layer, odd.
        output_width: features of the layer before the last.

    Raises:
        JensenError: where x is no such image, or has no such transformation.

    >>> model = build(Spec((1, 4, 4), "binary"), width=8, layers=2, kernel_size=3)
    >>> model.log_prob(model.sample(4)).shape
    torch.Size([4])
    """
    places, codes = compositions(spec, transformations)
    density = GatedPixelCNN(
        spec,
        width=width,
        layers=layers,
        kernel_size=kernel_size,
        output_width=output_width,
        num_conditions=codes.shape[1] if told else 0,
    )
    return DistAug(density, places, codes if told else None)
