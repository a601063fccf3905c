"""What holds of distribution augmentation."""

from __future__ import annotations

import itertools

import pytest
import torch

from jensen.data.spec import Batch, Spec
from jensen.errors import JensenError
from jensen.models.autoregressive.distaug import DistAug, build, compositions
from jensen.models.base import Clock

ALL = ("rotation", "transposition", "color")
CLOCK = Clock(torch.tensor(0.0), torch.tensor(0.0))


def small(spec: Spec, **settings: object) -> DistAug:
    torch.manual_seed(0)
    model = build(spec, **{"width": 8, "layers": 2, "kernel_size": 3, "output_width": 8, **settings})  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


def test_every_transformation_is_another_permutation_and_the_first_is_none() -> None:
    spec = Spec((3, 4, 4), "categorical", levels=4)
    places, codes = compositions(spec, ALL)
    assert len(places.unique(dim=0)) == len(codes.unique(dim=0)) == 4 * 2 * 6
    assert places[0].equal(torch.arange(48))
    assert places.sort(1).values.equal(torch.arange(48).expand(48, -1))
    assert codes.sum(1).eq(3).all()


def test_what_they_do_to_an_image() -> None:
    model = small(Spec((1, 3, 3), "categorical", levels=9), transformations=("rotation", "transposition"))
    x = torch.arange(9).view(1, 1, 3, 3).repeat(8, 1, 1, 1)
    turned = model.transformed(x, torch.arange(8))
    assert turned[2, 0].equal(x[0, 0].rot90(1))
    assert turned[1, 0].equal(x[0, 0].T)
    assert len(turned.unique(dim=0)) == 8


def test_it_sums_to_one_at_the_identity() -> None:
    model = small(Spec((1, 3, 3), "binary")).double()
    x = torch.tensor(list(itertools.product((0.0, 1.0), repeat=9)), dtype=torch.float64).view(-1, 1, 3, 3)
    assert model.log_prob(x).logsumexp(0).item() == pytest.approx(0, abs=1e-9)
    code = model.codes[:1].expand(len(x), -1)  # type: ignore[index]
    torch.testing.assert_close(model.log_prob(x), model.density.log_prob(x, code))


def test_training_is_of_transformed_images_and_validation_of_images() -> None:
    spec = Spec((1, 3, 3), "binary")
    x = (torch.rand(64, 1, 3, 3) < 0.5).float()
    for told in (True, False):
        model = small(spec, told=told)
        (turn,) = model.turns(Batch(x), CLOCK)
        torch.testing.assert_close(-turn.loss, model.log_prob(x).mean())
        torch.manual_seed(1)
        (turn,) = model.train().turns(Batch(x), CLOCK)
        torch.manual_seed(1)
        t = torch.randint(8, (64,))
        by_hand = [
            model.density.log_prob(
                model.transformed(x[i : i + 1], t[i : i + 1]), model.codes[t[i : i + 1]] if told else None
            )
            for i in range(64)
        ]
        torch.testing.assert_close(-turn.loss, torch.cat(by_hand).mean())


def test_samples_are_those_of_the_density_told_the_identity() -> None:
    model = small(Spec((1, 3, 3), "binary"))
    torch.manual_seed(2)
    x = model.sample(50)
    torch.manual_seed(2)
    assert x.equal(model.density.sample(50, y=model.codes[:1].expand(50, -1)))  # type: ignore[index]


@pytest.mark.parametrize(
    ("shape", "names", "message"),
    [
        ((1, 3, 4), ("rotation",), "needs square images, got 3 x 4"),
        ((1, 4, 4), ("color",), "needs images of 3 channels, got 1"),
        ((1, 4, 4), ("rotation", "rotation"), "names each of some groups once"),
        ((1, 4, 4), (), "names each of some groups once"),
        ((1, 4, 4), ("rotations",), "unknown transformation 'rotations'"),
        ((16,), ("rotation",), "distaug is of images"),
    ],
)
def test_bad_input(shape: tuple[int, ...], names: tuple[str, ...], message: str) -> None:
    with pytest.raises(JensenError, match=message):
        build(Spec(shape, "binary"), transformations=names)
