"""Which class an x is of: what a classifier says, or Bayes' rule over a density of x given its label."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from jensen.data import Dataset
from jensen.errors import JensenError
from jensen.evaluation.likelihood import examples_at_once, log_marginal_likelihood
from jensen.models.base import Classifying, Exact, Latent
from jensen.training.check import check_shape, like_model
from jensen.training.mode import evaluating


def class_log_probs(
    model: nn.Module, x: Shaped[Tensor, "batch *event"], num_samples: int = 100
) -> Float[Tensor, "batch classes"]:
    """log p(y | x) of every class y, (B, C), nats.

    Of a model with `classify`, what it says. Of a model of x given a label, Bayes' rule,

        p(y | x) = p(y) p(x | y) / sum_y' p(y') p(x | y'),

    with log p(x | y) exact where the model given y has `log_prob`, and otherwise the log of the mean of `num_samples`
    importance weights of each y.
    """
    if isinstance(model, Classifying):
        return model.classify(x)
    if not hasattr(model, "log_prior"):
        raise JensenError(
            "this model tells no classes apart: choose a classifier, a semi-supervised model, or one of x given "
            "its label"
        )
    return log_softmax(joint_log_probs(model, x, num_samples), -1)


def joint_log_probs(
    model: Any, x: Shaped[Tensor, "batch *event"], num_samples: int = 100
) -> Float[Tensor, "batch classes"]:
    """log p(y) + log p(x | y) of every class y, (B, C), nats, of a model of x given its label: see above."""
    log_prior = model.log_prior()
    of_y = [_log_density(model.given(y), x, num_samples) for y in torch.arange(len(log_prior), device=x.device)]
    return torch.stack(of_y, -1) + log_prior.double()


def _log_density(model: Any, x: Tensor, num_samples: int) -> Float[Tensor, " batch"]:
    if isinstance(model, Exact):
        return model.log_prob(x).double()
    assert isinstance(model, Latent)
    return log_marginal_likelihood(model, x, num_samples).value


def classify(
    model: nn.Module, data: Dataset, num_samples: int = 100, *, seed: int = 0
) -> Float[Tensor, "examples classes"]:
    """`class_log_probs` of all of `data`, (N, C), float64 nats, a function of the seed; the data's y are not used."""
    check_shape(model, data)
    data = like_model(data.fixed(), model)
    with evaluating(model, data.device, seed):
        size = examples_at_once(num_samples)
        found = [class_log_probs(model, batch.x, num_samples).double() for batch in data.batches(size)]
    return torch.cat(found).cpu()
