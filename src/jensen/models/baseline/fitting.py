"""What the closed-form fits say where there is none."""

from __future__ import annotations

import torch
from torch import Tensor

from jensen.data.spec import Spec
from jensen.errors import JensenError


def column_name(spec: Spec, place: int) -> str:
    """An entry of the flattened x, as a person would name it."""
    if spec.columns is None:
        return f"entry {place} of x"
    return f"column '{spec.columns[place % len(spec.columns)]}'"


def no_spread(name: str) -> JensenError:
    """Why a density of a column that never varies is refused."""
    return JensenError(
        f"{name} never varies in the training data, so its likelihood has no bound: drop it, or of "
        "8-bit images set dequantize=true"
    )


def needs_real(name: str, spec: Spec, instead: str) -> None:
    """Raises where x is not real-valued."""
    if spec.kind not in ("real", "unit"):
        raise JensenError(f"{name} needs real-valued x, got kind '{spec.kind}': choose {instead}")


def covariance_factor(covariance: Tensor, spec: Spec) -> Tensor:
    """Its Cholesky factor (D, D), or one line that names what makes it singular.

    Singular is where a column's variance given those before it is less than 1e-10 of its variance: so much of the
    covariance is rounding.
    """
    variances = covariance.diagonal()
    if (variances <= 0).any():
        raise no_spread(column_name(spec, int((variances <= 0).nonzero()[0])))
    scale = variances.sqrt()
    factor, info = torch.linalg.cholesky_ex(covariance / (scale[:, None] * scale))
    unexplained = factor.diagonal().square()
    if int(info) or (unexplained < 1e-10).any():
        place = int(info) - 1 if int(info) else int((unexplained < 1e-10).nonzero()[0])
        raise JensenError(
            f"the covariance is singular: {column_name(spec, place)} is a linear function of those before it in the "
            "training data: drop it"
        )
    return scale[:, None] * factor
