"""What a model learns from the examples of a batch that have labels."""

from __future__ import annotations

from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import nll_loss

from jensen.data.labels import UNLABELLED
from jensen.data.spec import Batch
from jensen.errors import JensenError


def labelled_part(batch: Batch) -> tuple[Tensor, Tensor]:
    """x and y of the labelled examples beside the batch, or of the batch itself where the data have no such part.

    Raises:
        JensenError: where there are no labels.
    """
    of = batch.labelled or batch
    if of.y is None:
        raise JensenError(
            "the model needs labelled rows, got none: give labels, or hide all but some of them with labelled=100"
        )
    return of.x, of.y


def cross_entropy(
    log_q: Float[Tensor, "batch classes"], y: Int64[Tensor, " batch"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """-mean log q(y | x) in nats, and the accuracy, over the examples that have a label; 0 where none has."""
    count = (y > UNLABELLED).sum().clamp_min(1)
    loss = nll_loss(log_q, y, ignore_index=UNLABELLED, reduction="sum") / count
    return loss, (log_q.argmax(1) == y).sum() / count
