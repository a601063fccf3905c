"""How far each dimension of a code stands for one factor of variation: five scores in [0, 1], 1 the best.

Two ask for images of chosen factors and take `code`, which gives the codes (N, Z) of images with the factors (N, F):

    FactorVAE score   Kim & Mnih (2018)
    beta-VAE score    Higgins et al. (2017)

The others take codes (N, Z) and factors (N, F) that were drawn uniformly:

    MIG               Chen, Li, Grosse & Duvenaud (2018)
    DCI               Eastwood & Williams (2018): disentanglement, completeness and informativeness
    SAP               Kumar, Sattigeri & Balakrishnan (2018)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jensen.data.shapes import Factor
from jensen.errors import JensenError
from jensen.evaluation.results import Metric

Factors = Int[np.ndarray, "batch factors"]
Codes = Float[np.ndarray, "batch latent"]
Code = Callable[[Factors], Codes]

COLLAPSED = 0.01  # the variance, under a prior of variance 1, below which a dimension holds nothing


def disentanglement(
    code: Code,
    factors: Sequence[Factor],
    *,
    num_votes: int = 800,
    batch_size: int = 100,
    num_points: int = 400,
    num_pairs: int = 64,
    num_samples: int = 10_000,
    repeats: int = 5,
    collapsed: float = COLLAPSED,
    seed: int = 0,
) -> tuple[Metric, ...]:
    """All scores, each the mean of `repeats` on fresh draws with its standard error over them.

    Dimensions whose variance over 10,000 codes is at most `collapsed` are left out of every score: a collapsed
    dimension's tiny mean may still follow a factor, and says nothing of it under q's noise.

    Args:
        code: factors (N, F) -> codes (N, Z).
        factors: what each column is.
        num_votes, batch_size: of `factor_vae_score`.
        num_points, num_pairs: of `beta_vae_score`.
        num_samples: codes for MIG, DCI and SAP.
        repeats: at least 2.
        collapsed: the least variance of a dimension that is asked about.
        seed: of all draws.

    Raises:
        JensenError: fewer than 2 repeats, or every dimension collapsed.
    """
    least = {"repeats": 2, "num_votes": 2, "batch_size": 2, "num_points": 2, "num_pairs": 1, "num_samples": 100}
    asked = (repeats, num_votes, batch_size, num_points, num_pairs, num_samples)
    for (name, bound), value in zip(least.items(), asked, strict=True):
        if value < bound:
            raise JensenError(f"{name} must be at least {bound}, got {value}")
    found: dict[str, list[float]] = {}
    for child in np.random.SeedSequence(seed).spawn(repeats):
        random = np.random.default_rng(child)
        drawn = draw(factors, num_samples, random)
        codes = code(drawn)
        scale = codes.std(0)
        active = scale**2 > collapsed
        if not active.any():
            raise JensenError(
                f"none of the {len(scale)} dimensions of the code varies (largest variance "
                f"{float((scale**2).max()):.2g}): the posterior has collapsed; train with a smaller beta or gamma"
            )
        scores = {
            "factor_vae_score": factor_vae_score(
                _scaled(code, scale, active), factors, random, num_votes=num_votes, batch_size=batch_size
            ),
            "beta_vae_score": beta_vae_score(
                _scaled(code, scale, active), factors, random, num_points=num_points, num_pairs=num_pairs
            ),
            "mig": mig(codes[:, active], drawn, factors),
            **dci(codes[:, active], drawn, factors, seed=int(random.integers(2**31)))._asdict(),
            "sap": sap(codes[:, active], drawn, factors),
            "active_units": float(active.sum()),
        }
        for name, score in scores.items():
            found.setdefault(name, []).append(score)
    return tuple(
        Metric(
            name,
            float(np.mean(values)),
            "estimate",
            "dimensions" if name == "active_units" else "score in [0, 1]",
            mc_standard_error=float(np.std(values, ddof=1)) / math.sqrt(repeats),
        )
        for name, values in found.items()
    )


def draw(factors: Sequence[Factor], count: int, random: np.random.Generator) -> Factors:
    """Combinations drawn uniformly, (N, F)."""
    return random.integers(0, [factor.size for factor in factors], (count, len(factors)))


def factor_vae_score(
    code: Code, factors: Sequence[Factor], random: np.random.Generator, *, num_votes: int = 800, batch_size: int = 100
) -> float:
    """How well the dimension that varies least says which factor was held fixed (Kim & Mnih 2018).

    A vote is the pair (d, k): factor k is held at one value in a batch of L images, and d is the dimension whose
    variance over it is the least, in units of its variance over all images. A majority vote for each d, found on
    `num_votes` of them, predicts k of as many fresh ones; the score is its accuracy. A code that knows nothing has 1/F.

    Args:
        code: factors (N, F) -> codes (N, Z), each dimension with variance 1 over all images, collapsed ones left out.
        factors: what each column is.
        random: all draws.
        num_votes: for the classifier, and again for its score.
        batch_size: L.
    """
    kept = random.integers(0, len(factors), 2 * num_votes)
    drawn = draw(factors, 2 * num_votes * batch_size, random).reshape(2 * num_votes, batch_size, -1)
    each = np.arange(2 * num_votes)
    drawn[each, :, kept] = drawn[each, :1, kept]
    codes = code(drawn.reshape(-1, len(factors)))
    least = codes.reshape(2 * num_votes, batch_size, -1).var(1).argmin(1)
    votes = np.zeros((codes.shape[1], len(factors)), np.int64)
    np.add.at(votes, (least[:num_votes], kept[:num_votes]), 1)
    return float((votes.argmax(1)[least[num_votes:]] == kept[num_votes:]).mean())


def beta_vae_score(
    code: Code, factors: Sequence[Factor], random: np.random.Generator, *, num_points: int = 400, num_pairs: int = 64
) -> float:
    """How well a linear classifier tells which factor two images share (Higgins et al. 2017).

    A point is the mean of |z - z'| over L pairs of images with the same value of factor k and all else drawn anew. A
    logistic regression on `num_points` of them predicts k of as many fresh ones; the score is its accuracy.

    Args:
        code: factors (N, F) -> codes (N, Z).
        factors: what each column is.
        random: all draws.
        num_points: for the classifier, and again for its score.
        num_pairs: L.
    """
    shared = random.integers(0, len(factors), 2 * num_points)
    first, second = (
        draw(factors, 2 * num_points * num_pairs, random).reshape(2 * num_points, num_pairs, -1) for _ in range(2)
    )
    each = np.arange(2 * num_points)
    second[each, :, shared] = first[each, :, shared]
    one, other = (code(drawn.reshape(-1, len(factors))) for drawn in (first, second))
    points = np.abs(one - other).reshape(2 * num_points, num_pairs, -1).mean(1)
    train, test = slice(0, num_points), slice(num_points, None)
    return float((linear_probe(points[train], shared[train])(points[test]) == shared[test]).mean())


def mig(codes: Codes, drawn: Factors, factors: Sequence[Factor]) -> float:
    """The mutual information gap (Chen et al. 2018): (1/F) sum_k (I(z_j; v_k) - max_{i != j} I(z_i; v_k)) / H(v_k).

    z_j is the dimension that knows most of v_k. Each dimension is cut into as many bins of equal width as the factor
    with most values has, so that a code which is the factors themselves has 1.
    """
    bins = max(factor.size for factor in factors)
    binned = [_binned(column, bins) for column in codes.T]
    gaps = []
    for factor, values in zip(factors, drawn.T, strict=True):
        known = [mutual_information(column, values, bins, factor.size) for column in binned]
        gaps.append(_gap(known) / _entropy(np.bincount(values)))
    return float(np.mean(gaps))


def sap(codes: Codes, drawn: Factors, factors: Sequence[Factor]) -> float:
    """Separated attribute predictability (Kumar et al. 2018): how far the best single dimension is ahead of the next.

    A dimension predicts an ordered factor by a line, whose score is the squared correlation, and another by thresholds,
    whose score is the mean over its values of the accuracy on held-out codes (a guess has one over their number, so
    that C values leave room for 1 - 1/C). The score is the mean over the factors.
    """
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.tree import DecisionTreeClassifier

    half, gaps = len(codes) // 2, []
    for factor, values in zip(factors, drawn.T, strict=True):
        scores = []
        for column in codes.T:
            if factor.ordered:
                scores.append(float(np.corrcoef(column, values)[0, 1] ** 2))
                continue
            thresholds = DecisionTreeClassifier(max_leaf_nodes=factor.size, class_weight="balanced", random_state=0)
            thresholds.fit(column[:half, None], values[:half])
            scores.append(float(balanced_accuracy_score(values[half:], thresholds.predict(column[half:, None]))))
        gaps.append(_gap(scores, 0.0 if factor.ordered else 1 / factor.size))
    return float(np.mean(gaps))


class DCI(NamedTuple):
    """Each in [0, 1]."""

    disentanglement: float
    completeness: float
    informativeness: float


def dci(codes: Codes, drawn: Factors, factors: Sequence[Factor], *, seed: int = 0) -> DCI:
    """Disentanglement, completeness and informativeness (Eastwood & Williams 2018).

    A random forest predicts each factor from the code: R_jk is the importance of dimension j for factor k.

        disentanglement   sum_j w_j (1 - H(R_j. / sum_k R_jk)),  H to the base F,  w_j = sum_k R_jk / sum_jk R_jk
        completeness      (1/F) sum_k (1 - H(R_.k / sum_j R_jk)),  H to the base Z
        informativeness   (1/F) sum_k (1 - error / error of a constant), at least 0 each

    The error is that on held-out codes: squared for an ordered factor, the share of wrong answers for another. A code
    of one dimension is complete.
    """
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    half = len(codes) // 2
    importance, informativeness = np.zeros((codes.shape[1], len(factors))), []
    for k, (factor, values) in enumerate(zip(factors, drawn.T, strict=True)):
        kind = RandomForestRegressor if factor.ordered else RandomForestClassifier
        # All dimensions at every split: a choice among some would make unrelated ones look important.
        forest = kind(20, max_features=1.0, min_samples_leaf=3, random_state=seed).fit(codes[:half], values[:half])
        importance[:, k] = forest.feature_importances_
        predicted, truth = forest.predict(codes[half:]), values[half:]
        if factor.ordered:
            error = np.mean((predicted - truth) ** 2) / np.mean((truth - values[:half].mean()) ** 2)
        else:
            error = np.mean(predicted != truth) / np.mean(truth != np.bincount(values[:half]).argmax())
        informativeness.append(max(0.0, 1.0 - float(error)))
    separate = np.array([1 - _entropy(row) / math.log(len(factors)) for row in importance])
    whole = [1 - _entropy(column) / math.log(len(column)) if len(column) > 1 else 1.0 for column in importance.T]
    weights = importance.sum(1) / importance.sum()
    return DCI(float(weights @ separate), float(np.mean(whole)), float(np.mean(informativeness)))


def linear_probe(codes: Codes, labels: Int[np.ndarray, "batch"]) -> Callable[[Codes], Int[np.ndarray, "rows"]]:
    """A logistic regression of labels on codes (on each dimension's own scale): codes (N, Z) -> labels (N,)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=100, max_iter=5000)).fit(codes, labels).predict


def mutual_information(
    first: Int[np.ndarray, "batch"], second: Int[np.ndarray, "batch"], sizes: int, other_sizes: int
) -> float:
    """I of the empirical distribution of two discrete variables, nats."""
    joint = np.bincount(first * other_sizes + second, minlength=sizes * other_sizes).reshape(sizes, other_sizes)
    return _entropy(joint.sum(0)) + _entropy(joint.sum(1)) - _entropy(joint.ravel())


def _entropy(counts: np.ndarray) -> float:
    """Of the distribution that counts or weights are proportional to, nats; 0 where all are 0."""
    weights = counts[counts > 0] / max(counts.sum(), 1e-300)
    return -float((weights * np.log(weights)).sum())


def _binned(column: Float[np.ndarray, "batch"], bins: int) -> Int[np.ndarray, "batch"]:
    low, high = column.min(), column.max()
    if high == low:
        return np.zeros(len(column), np.int64)
    return ((column - low) / (high - low) * bins).astype(np.int64).clip(0, bins - 1)


def _gap(scores: list[float], of_none: float = 0.0) -> float:
    """The largest less the next; of a single dimension, less what no dimension has."""
    second, first = sorted([of_none, *scores])[-2:]
    return first - second


def _scaled(code: Code, scale: Float[np.ndarray, "latent"], active: np.ndarray) -> Code:
    return lambda drawn: code(drawn)[:, active] / scale[active]
