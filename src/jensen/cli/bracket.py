"""bracket: the evidence from both sides."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer

from jensen.cli.common import Json, Run, Seed, table_of
from jensen.errors import JensenError

IMPORTANCE_SAMPLES = 1000


def bracket(
    run: Run,
    num_examples: Annotated[int, typer.Option("--num-examples", help="x simulated from the model")] = 100,
    start: Annotated[
        Literal["posterior", "prior"], typer.Option("--start", help="where the forward chains start")
    ] = "posterior",
    num_distributions: Annotated[int, typer.Option("--num-distributions", help="on the way to p(x, z)")] = 400,
    num_chains: Annotated[int, typer.Option("--num-chains", help="for each x, in each direction")] = 4,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Enclose log p(x) of simulated x between a lower and an upper bound, by annealing in both directions."""
    from jensen.evaluation.bracket import bracket as both_ends
    from jensen.evaluation.bracket import mean_and_error
    from jensen.evaluation.likelihood import log_marginal_likelihood
    from jensen.inference.annealed_importance import Annealing
    from jensen.models.base import Conditional, Latent
    from jensen.training import load
    from jensen.training.check import floating_tensor
    from jensen.training.mode import evaluating

    model = load(run)
    if not isinstance(model, Latent):
        raise JensenError(f"{run} has no latent variables to anneal: choose a run of a bounded model")
    if isinstance(model, Conditional) or getattr(model, "discrete_latents", False):
        raise JensenError(f"{run} has labels among its conditions or latents, which are not annealed: choose another")
    annealing = Annealing(num_distributions, num_chains, start=start)
    with evaluating(model, floating_tensor(model).device, seed):
        found = both_ends(model, num_examples, annealing)
        importance = log_marginal_likelihood(model, found.x, IMPORTANCE_SAMPLES).value
    excess, excess_error = mean_and_error(importance - found.upper)
    above = excess > 3 * excess_error
    figures = {
        "lower": (*mean_and_error(found.lower), "lower bound"),
        "upper": (*mean_and_error(found.upper), "upper bound"),
        "gap": (*found.gap, "upper - lower"),
        f"iwae_{IMPORTANCE_SAMPLES}": (*mean_and_error(importance), "lower bound"),
        f"iwae_{IMPORTANCE_SAMPLES} - upper": (excess, excess_error, "below 0 in expectation"),
    }
    if as_json:
        values = {name: {"value": value, "standard_error": error} for name, (value, error, _) in figures.items()}
        settings = {**vars(annealing), "num_examples": num_examples, "seed": seed}
        print(json.dumps({**settings, **values, "acceptance": found.acceptance, "importance_above_upper": above}))
        return
    rows = [("figure, nats", "mean over x", "± over x", "what it is")]
    rows += [(name, f"{value:.3f}", f"{error:.3f}", kind) for name, (value, error, kind) in figures.items()]
    print(
        f"{run}: log p(x) of {num_examples:,} x simulated from the model, from the {start} in {num_distributions:,} "
        f"steps, {num_chains:,} chains each way, acceptance {found.acceptance:.2f}"
    )
    print(table_of(rows))
    said = "above the upper end by more than 3 standard errors: one of them is wrong"
    print(f"the importance bound is {said}" if above else f"the importance bound is not {said.partition(':')[0]}")
