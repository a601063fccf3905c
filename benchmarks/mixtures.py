"""Iterations of EM against scikit-learn's and pomegranate's, in float64, one thread each, from the same start.

All take the same number of iterations of the same updates, and have to end at the same parameters before they are
timed. What is timed is the CPU time of this one thread, which others on the machine do not lengthen by waiting.
pomegranate is no dependency of jensen: pip install pomegranate; without it the mixtures of Gaussians are timed alone.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from benchmarks import harness
from jensen.data.spec import Spec
from jensen.inference.em import EM
from jensen.models.mixture import bayesian, bernoulli, gaussian

AGREEMENT = 1e-6
Fit = Callable[[], list[np.ndarray]]  # runs all iterations from the start and returns the parameters


def simulated(num_rows: int, dims: int, components: int) -> Tensor:
    """Draws of a mixture of Gaussians that overlap."""
    means = 2 * torch.randn(components, dims, dtype=torch.float64)
    return means[torch.randint(components, (num_rows,))] + torch.randn(num_rows, dims, dtype=torch.float64)


def started(x: Tensor, components: int) -> Tensor:
    """Log-responsibilities of the nearest of some rows, softened: a start that EM has far to go from."""
    centres = x[torch.randperm(len(x))[:components]]
    return (-0.25 * torch.cdist(x, centres).square()).log_softmax(1)


def ours(model: nn.Module, x: Tensor, start: Tensor, iterations: int, names: tuple[str, ...]) -> Fit:
    """jensen from an M-step on the start."""

    def fit() -> list[np.ndarray]:
        model.m_step(x, start)  # type: ignore[operator]
        fitting = EM(model, x)  # type: ignore[arg-type]
        for _ in range(iterations):
            fitting.step()
        return [getattr(model, name).numpy().copy() for name in names]

    return fit


def scikit_learn(reference: Any, x: Tensor, start: Tensor, names: tuple[str, ...]) -> Fit:
    """scikit-learn's own loop; `warm_start` keeps it from making a start of its own."""
    rows, responsibilities = x.numpy(), start.exp().numpy()
    if hasattr(reference, "_check_parameters"):
        reference._check_parameters(rows)

    def fit() -> list[np.ndarray]:
        reference._initialize(rows, responsibilities)
        reference.converged_, reference.lower_bound_ = False, -np.inf
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            reference.fit(rows)
        return [getattr(reference, name) for name in names]

    return fit


def gaussians(num_rows: int, covariance: str, iterations: int) -> tuple[Fit, Fit]:
    """A mixture of 20 Gaussians of 16 entries."""
    x = simulated(num_rows, 16, 20)
    start = started(x, 20)
    model = gaussian.build(Spec((16,), "real"), num_components=20, covariance=covariance)  # type: ignore[arg-type]
    kind = {"diagonal": "diag"}.get(covariance, covariance)
    reference = GaussianMixture(20, covariance_type=kind, reg_covar=0, tol=0, max_iter=iterations, warm_start=True)
    mine = ours(model, x, start, iterations, ("weights", "means", "covariances"))
    return mine, scikit_learn(reference, x, start, ("weights_", "means_", "covariances_"))


def bayesian_gaussians(num_rows: int, iterations: int) -> tuple[Fit, Fit]:
    """The same with random parameters."""
    x = simulated(num_rows, 16, 20)
    start = started(x, 20)
    model = bayesian.build(Spec((16,), "real"), num_components=20)
    reference = BayesianGaussianMixture(
        n_components=20,
        weight_concentration_prior_type="dirichlet_distribution",
        weight_concentration_prior=model.alpha0,
        mean_precision_prior=model.beta0,
        mean_prior=np.zeros(16),
        degrees_of_freedom_prior=model.nu0,
        covariance_prior=np.eye(16) / model.w0,
        reg_covar=0,
        tol=0,
        max_iter=iterations,
        warm_start=True,
    )
    mine = ours(model, x, start, iterations, ("alpha", "beta", "means", "nu"))
    names = ("weight_concentration_", "mean_precision_", "means_", "degrees_of_freedom_")
    return mine, scikit_learn(reference, x, start, names)


def bernoullis(num_rows: int, iterations: int) -> tuple[Fit, Fit]:
    """Ten components of 64 bits."""
    from pomegranate.distributions import Bernoulli
    from pomegranate.gmm import GeneralMixtureModel

    # No bit is certain: pomegranate's 0 log 0 is NaN.
    centres = 0.2 + 0.6 * torch.rand(10, 64, dtype=torch.float64)
    x = torch.bernoulli(centres[torch.randint(10, (num_rows,))])
    model = bernoulli.build(Spec((64,), "binary"), num_components=10)
    start = (-0.2 * torch.cdist(x, x[:10]).square()).log_softmax(1)

    def peer() -> list[np.ndarray]:
        model.m_step(x, start)
        torch.set_default_dtype(torch.float64)  # of its sums
        parts = [Bernoulli(mean.clone()) for mean in model.means]
        mixture = GeneralMixtureModel(parts, priors=model.weights.clone(), max_iter=iterations, tol=-np.inf)
        mixture.fit(x)
        torch.set_default_dtype(torch.float32)
        return [mixture.priors.numpy(), torch.stack([part.probs for part in mixture.distributions]).numpy()]

    return ours(model, x, start, iterations, ("weights", "means")), peer


def contender(fit: Fit, iterations: int) -> harness.Contender:
    def run() -> float:
        start = time.process_time()
        fit()
        return (time.process_time() - start) / iterations

    return run


def agree(mine: Fit, peer: Fit, name: str) -> float:
    """The largest difference between the parameters; raises where they are not the same."""
    gap = max(float(np.abs(a - b).max() / max(1.0, np.abs(b).max())) for a, b in zip(mine(), peer(), strict=True))
    if not gap < AGREEMENT:
        raise SystemExit(
            f"{name}: parameters differ by {gap:.1e} relative to the largest, expected below {AGREEMENT:g}"
        )
    return gap


def main() -> None:
    options = harness.arguments(
        __doc__, quick={"rounds": 1, "iterations": 5, "rows": 5000}, rounds=3, iterations=50, rows=100_000
    )
    torch.manual_seed(0)
    cases = {"bayesian-gaussian-mixture": ("scikit-learn", bayesian_gaussians(options.rows, options.iterations))}
    for covariance in ("full", "tied", "diagonal", "spherical"):
        case = gaussians(options.rows, covariance, options.iterations)
        cases[f"gaussian-mixture, {covariance}"] = "scikit-learn", case
    try:
        cases["bernoulli-mixture"] = "pomegranate", bernoullis(options.rows // 10, options.iterations)
    except ImportError as missing:
        print(f"bernoulli-mixture is left out: no module {missing.name}")
    all_rounds = argparse.Namespace(rounds=options.rounds, quick=True)  # a disturbed one is as good, in CPU time
    tables, rounds_of, ratios = [], {}, []
    with threadpool_limits(options.threads), torch.no_grad():
        torch.set_num_threads(options.threads)  # which importing a peer may have undone
        for name, (peer_name, (mine, peer)) in cases.items():
            gap = agree(mine, peer, name)
            print(f"{name}: parameters agree within {gap:.1e} after {options.iterations} iterations", flush=True)
            ours_name, theirs_name = f"jensen, {name}", f"{peer_name}, {name}"
            fits = {ours_name: mine, theirs_name: peer}
            contenders = {which: contender(fit, options.iterations) for which, fit in fits.items()}
            rounds, _ = harness.alternate(contenders, all_rounds)
            ratios.append(harness.ratio(rounds, theirs_name, ours_name))
            tables.append(harness.medians_table(rounds, "CPU ms an iteration"))
            rounds_of[name] = {"rounds": harness.as_json(rounds), "largest difference": gap}
        title = (
            f"{options.iterations} iterations of EM: {options.rows:,} x 16 under 20 Gaussians, a tenth of it of 64 bits"
        )
        tables.insert(0, harness.ratios_table(ratios))
        harness.publish(
            "mixtures", title, tables, {"cases": rounds_of, "ratios": harness.as_json(ratios)}, options.quick
        )


if __name__ == "__main__":
    main()
