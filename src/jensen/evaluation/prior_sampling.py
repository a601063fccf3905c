"""The evidence by sampling the prior: what needs no encoder, and shows why there is one."""

from __future__ import annotations

import torch
from jaxtyping import Shaped
from torch import Tensor

from jensen.errors import JensenError
from jensen.evaluation.log_mean import LogMean, samples_at_once
from jensen.evaluation.onednn import OneDNNLinear
from jensen.models.base import Directed


@torch.no_grad()
def prior_sampling(model: Directed, x: Shaped[Tensor, "batch *event"], num_samples: int) -> LogMean:
    """p(x) = E p(x | z), z ~ p(z), by the mean over S = `num_samples` draws, streamed in constant memory.

    The draws are decoded once for the whole batch, so that the errors of its examples are not independent. Nearly all
    of them explain x badly: the effective sample size is about S exp(-D) with D = log E_p[(p(z | x) / p(z))^2], which
    grows in proportion to the latent dimensions that x determines (Doersch 2016).
    """
    if num_samples < 1:
        raise JensenError(f"num_samples must be at least 1, got {num_samples}")
    prior = model.prior()
    shared = [] if len(prior.batch_shape) else [1]  # p(z | y) of a condition has a row for each x
    total = LogMean(len(x), x.device)
    chunk = samples_at_once(x)
    for start in range(0, num_samples, chunk):
        z = prior.sample(torch.Size([min(chunk, num_samples - start), *shared]))
        with OneDNNLinear():
            p_x = model.likelihood(z)
        total.add(p_x.log_prob(x).double())
    return total
