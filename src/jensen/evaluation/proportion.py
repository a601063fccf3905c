"""A share of examples, with its binomial error; and of samples that a classifier recognises."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor

from jensen.errors import JensenError
from jensen.models.base import Classifying

AT_ONCE = 500


class Proportion(NamedTuple):
    """A share of `n`, and its binomial standard error (share (1 - share) / n)^(1/2), which is 0 at shares 0 and 1."""

    share: float
    standard_error: float
    n: int


def proportion(among: Bool[Tensor, " n"]) -> Proportion:
    """The share of True.

    >>> proportion(torch.tensor([True, True, True, False]))
    Proportion(share=0.75, standard_error=0.21650635094610965, n=4)
    """
    share, n = float(among.double().mean()), len(among)
    return Proportion(share, math.sqrt(share * (1 - share) / n), n)


@torch.no_grad()
def class_accuracy(
    classifier: Classifying, x: Shaped[Tensor, "n *event"], y: Int[Tensor, " _"]
) -> tuple[Proportion, dict[int, Proportion]]:
    """Of samples x that were asked to be of class y, the share that the classifier takes for it: in all, and by class.

    The classifier errs on data, too, and knows nothing of variety: one good sample of each class, repeated, scores 1.

    Raises:
        JensenError: no samples, or another number of classes than of samples.
    """
    if not len(x) or len(x) != len(y):
        raise JensenError(f"class_accuracy needs one class for each sample, got {len(x)} samples and {len(y)} classes")
    named = torch.cat([classifier.classify(some).argmax(1) for some in x.split(AT_ONCE)])
    right = named == y
    return proportion(right), {int(label): proportion(right[y == label]) for label in y.unique()}
