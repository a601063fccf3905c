"""Questions to a user's own bounds: is the answer what the oracle's is?"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NoReturn

import torch
from torch import Tensor

from jensen.evaluation.verify import mistakes, oracles
from jensen.evaluation.verify.oracles import Oracle
from jensen.evaluation.verify.question import ERRORS, Fault, Question, Undecided, Unexplained

# Calls, draws of each, and draws of each row in a call with its copies. Errors are taken over calls: rows of one call
# may share their noise.
CALLS, DRAWS, ROW_DRAWS = 100, 50, 100
# Nats: room for single precision; and how near the figure of a mistake, which may be simulated, is taken to be it.
ROUNDING, NEAR = 1e-3, 0.05

Bound = Callable[[Any, Tensor, int], Any]
Ask = Callable[[Oracle], Tensor]


def of_elbo(f: Bound) -> Iterator[Question]:
    """elbo(model, x, num_samples)."""
    exact, wrong, bits = oracles.gaussian(exact=True), oracles.gaussian(exact=False), oracles.bernoulli()

    def bound(oracle: Oracle) -> Tensor:
        return _bound(f, oracle, DRAWS)

    def equal(oracle: Oracle) -> Callable[[], str]:
        return lambda: _equal(_mean(bound, oracle), oracle.elbo, mistakes.in_elbo(oracle, DRAWS))

    yield Question("one value for each row", lambda: _rows(bound, wrong))
    yield Question("exact posterior: equals log p(x)", equal(exact))
    yield Question("wrong posterior: short of log p(x) by the KL", equal(wrong))
    yield Question("bits: equals the integral", equal(bits))
    yield Question("gradient reaches q through the draws", lambda: _gradient(bound, wrong))


def of_log_weights(f: Bound) -> Iterator[Question]:
    """log_weights(model, x, num_samples)."""
    exact, wrong, bits = oracles.gaussian(exact=True), oracles.gaussian(exact=False), oracles.bernoulli()

    def weights(oracle: Oracle) -> Tensor:
        shape = (DRAWS, len(oracle.x))
        return _shaped(f(oracle, oracle.x, DRAWS), shape, "one weight for each draw and row")

    def mean_log(oracle: Oracle) -> Callable[[], str]:
        known = mistakes.in_elbo(oracle, 1)
        return lambda: _equal(_mean(lambda one: weights(one).mean(0), oracle), oracle.elbo, known)

    def ratio(oracle: Oracle) -> Tensor:
        return (weights(oracle) - oracle.evidence).exp().mean(0)

    yield Question("one weight for each draw and row", lambda: _rows(weights, wrong))
    yield Question("exact posterior: every weight is p(x)", lambda: _constant(weights, exact, mean_log(exact)))
    yield Question("wrong posterior: mean logarithm is the ELBO", mean_log(wrong))
    yield Question("bits: mean logarithm is the ELBO", mean_log(bits))
    yield Question(
        "wrong posterior: mean is p(x)",
        lambda: _equal(_mean(ratio, wrong), torch.ones_like(wrong.evidence), [], "of p(x)"),
    )


def of_iwae_bound(f: Bound) -> Iterator[Question]:
    """iwae_bound(model, x, num_samples)."""
    exact, wrong, bits = oracles.gaussian(exact=True), oracles.gaussian(exact=False), oracles.bernoulli()

    def of(num_samples: int) -> Ask:
        return lambda oracle: _bound(f, oracle, num_samples)

    def at_one(oracle: Oracle) -> Callable[[], str]:
        return lambda: _equal(_mean(of(1), oracle, 1), oracle.elbo, mistakes.in_elbo(oracle, 1))

    def evidence() -> str:
        return _equal(_mean(of(DRAWS), exact), exact.evidence, mistakes.in_iwae(exact, DRAWS))

    def never_above(oracle: Oracle) -> Callable[[], str]:
        def ask() -> str:
            mean, error = _mean(of(DRAWS), oracle)
            above = mean - oracle.evidence
            if not bool((above <= ERRORS * error + ROUNDING).all()):
                _blame(mean, error, oracle.evidence, mistakes.in_iwae(oracle, DRAWS), "is the most that a bound can be")
            return f"at most {float(above.max()):+.4f} nats at K = {DRAWS}"

        return ask

    def rises() -> str:
        found = [_mean(of(num_samples), wrong, num_samples) for num_samples in (1, 5, DRAWS)]
        for (few, few_error), (many, many_error) in itertools.pairwise(found):
            # The rows of a call may share their noise: their errors are added, not their squares.
            if not (many - few).mean() > ERRORS * torch.hypot(few_error, many_error).mean():
                _blame(many, many_error, wrong.evidence, mistakes.in_iwae(wrong, DRAWS), "comes near at large K")
        return ", ".join(f"{float(mean.mean()):.2f}" for mean, _ in found) + f" nats at K = 1, 5, {DRAWS}"

    yield Question("one value for each row", lambda: _rows(of(DRAWS), wrong))
    yield Question("K = 1: equals the ELBO", at_one(wrong))
    yield Question("bits, K = 1: equals the ELBO", at_one(bits))
    yield Question("exact posterior: equals log p(x) in every call", lambda: _constant(of(DRAWS), exact, evidence))
    yield Question("never above log p(x)", never_above(wrong))
    yield Question("bits: never above log p(x)", never_above(bits))
    yield Question("rises with K", rises)


def _bound(f: Bound, oracle: Oracle, num_samples: int) -> Tensor:
    found = f(oracle, oracle.x, num_samples)
    return _shaped(getattr(found, "elbo", found), (len(oracle.x),), "one bound for each row")


def _shaped(found: Any, shape: tuple[int, ...], what: str) -> Tensor:
    if not isinstance(found, Tensor):
        raise Fault(f"returned {type(found).__name__}, expected a tensor of shape {shape}, {what}")
    if found.shape != shape:
        hint = ": leave the mean over the batch to the training loop" if found.dim() < len(shape) else ""
        raise Fault(f"returned shape {tuple(found.shape)}, expected {shape}, {what}{hint}")
    return found.double()


def _rows(ask: Ask, oracle: Oracle) -> str:
    """Under the same noise, the first row's value is the same whatever the other rows are."""
    values = []
    for one in (oracle, replace(oracle, x=torch.cat([oracle.x[:1], 3 - oracle.x[1:]]))):
        torch.manual_seed(1)
        values.append(ask(one).detach()[..., 0])
    if not torch.allclose(values[0], values[1], rtol=1e-4, atol=1e-4):
        raise Fault("the first row's value changes with the other rows: something is summed or averaged over the batch")
    return "none depends on the other rows"


def _constant(ask: Ask, oracle: Oracle, otherwise: Callable[[], str]) -> str:
    """log p(x) in every draw; where it is not, `otherwise` finds the mistake, if it is one in the mean."""
    largest = float((ask(oracle).detach() - oracle.evidence).abs().max())
    if not largest <= ROUNDING:
        otherwise()
        raise Fault(
            f"differs by up to {largest:.2g} nats from draw to draw: log q(z | x) is not of the z that was drawn"
        )
    return f"largest difference {largest:.0e} nats"


def _mean(ask: Ask, oracle: Oracle, num_samples: int = DRAWS) -> tuple[Tensor, Tensor]:
    """The mean of each row over draws, and its standard error."""
    copies = ROW_DRAWS // num_samples
    copied = replace(oracle, x=oracle.x.repeat(copies, 1), evidence=oracle.evidence.repeat(copies))
    with torch.no_grad():
        values = torch.stack([ask(copied).unflatten(0, (copies, -1)).mean(0) for _ in range(CALLS)])
    return values.mean(0), values.std(0) / math.sqrt(CALLS)


def _equal(found: tuple[Tensor, Tensor], truth: Tensor, known: list[tuple[str, Tensor]], unit: str = "nats") -> str:
    mean, error = found
    off = (mean - truth).abs()
    if not bool((off <= ERRORS * error + ROUNDING).all()):
        _blame(mean, error, truth, known)
    row = int(off.argmax())
    return f"within {float(off[row]):.4f} ± {float(error[row]):.4f} {unit}"


def _blame(
    mean: Tensor, error: Tensor, truth: Tensor, known: list[tuple[str, Tensor]], right: str = "is right"
) -> NoReturn:
    """Raises the Fault with the mistake that explains every row, the nearest where several do."""
    if not bool(mean.isfinite().all()):
        raise Fault("gives NaN or infinity: take logsumexp of log weights, and keep scales above 0")
    margin = ERRORS * error + NEAR
    near = sorted((float(((mean - value).abs() / margin).max()), name) for name, value in known)
    row = int((mean - truth).abs().argmax())
    figures = f"row {row}: {float(mean[row]):.2f}, where {float(truth[row]):.2f} {right}"
    if near and near[0][0] <= 1:
        raise Fault(f"{near[0][1]} ({figures})")
    raise Unexplained(figures)


def _gradient(ask: Ask, oracle: Oracle) -> str:
    """d ELBO / d (mean of q): without the path through z only the KL's part of it is left."""
    try:
        _equal(_mean(ask, oracle), oracle.elbo, [])
    except Fault as fault:
        raise Undecided("asked once the values are right") from fault
    shift = oracle.shift.clone().requires_grad_()
    moved = replace(oracle, shift=shift)
    (truth,) = torch.autograd.grad(moved.elbo.sum(), shift)
    found = []
    for _ in range(CALLS):
        value = ask(moved).sum()
        gradient = torch.autograd.grad(value, shift, allow_unused=True)[0] if value.requires_grad else None
        if gradient is None:
            raise Fault("no gradient reaches q: draw z with rsample, and leave out detach and no_grad")
        found.append(gradient)
    values = torch.stack(found)
    off, error = (values.mean(0) - truth).abs(), values.std(0) / math.sqrt(CALLS)
    if not bool((off <= ERRORS * error + ROUNDING).all()):
        raise Fault("not the gradient of the ELBO: draw z with rsample instead of sample, and leave out detach")
    return f"within {float(off.max()):.3f} ± {float(error[off.argmax()]):.3f}"
