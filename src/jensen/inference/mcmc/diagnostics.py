"""What says whether chains have found their law: arviz's effective sample size and R-hat (Vehtari et al. 2021)."""

from __future__ import annotations

import warnings
from types import ModuleType
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    import pandas
    from arviz import InferenceData


def inference_data(posterior: dict[str, Tensor], sample_stats: dict[str, Tensor]) -> InferenceData:
    """Tensors (chain, draw, ...) as arviz has them."""
    groups = ({name: value.numpy(force=True) for name, value in group.items()} for group in (posterior, sample_stats))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "More chains", UserWarning)  # which is as it should be where they are cheap
        return _arviz().from_dict(**dict(zip(("posterior", "sample_stats"), groups, strict=True)))


def summary(data: InferenceData) -> pandas.DataFrame:
    """A row for each entry of each variable: mean, sd, mcse_mean, ess_bulk, ess_tail, r_hat."""
    found = _arviz().summary(data, kind="all", round_to="none")
    return found[["mean", "sd", "mcse_mean", "ess_bulk", "ess_tail", "r_hat"]]


def _arviz() -> ModuleType:
    """The library, imported when first asked for; on import it announces, once a day, that it will be split."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        import arviz
    return arviz
