"""What comes after the rows of a series, and the file that holds it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jensen.data import Dataset
from jensen.errors import JensenError
from jensen.reporting.draw import check_name
from jensen.training.check import like_model
from jensen.training.checkpoint import write_atomically


@torch.no_grad()
def forecast(model: nn.Module, data: Dataset, steps: int) -> Float[Tensor, "2 steps channels"]:
    """Mean and standard deviation of each of the rows after the last window of the data, in the user's own units."""
    if not hasattr(model, "forecast"):
        raise JensenError("this model forecasts nothing: choose ar, an autoregression of a series")
    if not len(data):
        raise JensenError("there is nothing to go on from: the data have no rows")
    last = like_model(data, model).batch(torch.tensor([len(data) - 1], device=data.device)).x[0]
    law = model.forecast(last, steps)  # type: ignore[operator]
    mean, scale = (each.view(steps, -1) for each in (law.mean, law.stddev))
    raw = data.to_raw(mean)
    return torch.stack([raw, data.to_raw(mean + scale) - raw]).cpu()


def write_forecast(path: Path, found: Float[Tensor, "2 steps channels"], data: Dataset) -> None:
    """A .csv: the step, then of each column the mean and the standard deviation."""
    check_name(path, (".csv",))
    names = data.spec.columns or [f"x{i}" for i in range(found.shape[2])]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["step", *(column for name in names for column in (name, f"{name}_scale"))])
    for step, row in enumerate(found.permute(1, 2, 0).flatten(1).tolist(), start=1):
        writer.writerow([step, *row])
    write_atomically(path, text.getvalue().encode())
