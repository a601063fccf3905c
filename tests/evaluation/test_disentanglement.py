from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from jensen.data.shapes import Factor
from jensen.errors import JensenError
from jensen.evaluation.disentanglement import (
    beta_vae_score,
    dci,
    disentanglement,
    draw,
    factor_vae_score,
    linear_probe,
    mig,
    mutual_information,
    sap,
)

# Two ordered factors and one that is not.
FACTORS = (Factor("a", 4), Factor("b", 8), Factor("c", 3, ordered=False))
PAIR = (Factor("a", 8), Factor("b", 8))
SMALL = {"num_votes": 300, "batch_size": 30, "num_points": 150, "num_pairs": 20, "num_samples": 4000, "repeats": 3}
N = 6000


def perfect(drawn: np.ndarray) -> np.ndarray:
    """Each factor in a dimension of its own, with variance 1 over all images."""
    return drawn / np.sqrt((np.array([4, 8, 3]) ** 2 - 1) / 12)


def permuted_and_scaled(drawn: np.ndarray) -> np.ndarray:
    return perfect(drawn)[:, ::-1] * np.array([-3.0, 0.5, 20.0]) + 5


def rotated(drawn: np.ndarray) -> np.ndarray:
    """Two factors turned by 45 degrees, so that each dimension holds half of each."""
    z = drawn - 3.5
    return np.stack([z[:, 0] + z[:, 1], z[:, 0] - z[:, 1]], 1) / math.sqrt(10.5)


def noise(dims: int) -> Callable[[np.ndarray], np.ndarray]:
    random = np.random.default_rng(1)
    return lambda drawn: random.standard_normal((len(drawn), dims))


def codes_of(code: Callable[[np.ndarray], np.ndarray], factors: tuple[Factor, ...]) -> tuple[np.ndarray, np.ndarray]:
    drawn = draw(factors, N, np.random.default_rng(0))
    return code(drawn), drawn


def scores(code: Callable[[np.ndarray], np.ndarray], factors: tuple[Factor, ...]) -> dict[str, tuple[float, float]]:
    found = disentanglement(code, factors, **SMALL)
    return {metric.name: (metric.value, metric.mc_standard_error or 0.0) for metric in found}


@pytest.mark.parametrize("code", [perfect, permuted_and_scaled])
def test_a_perfect_code_has_every_score(code: Callable[[np.ndarray], np.ndarray]) -> None:
    found = scores(code, FACTORS)
    for name in ("factor_vae_score", "beta_vae_score"):
        assert found[name] == (1.0, 0.0)
    # What a finite sample lets unrelated dimensions know: (bins - 1) (values - 1) / 2N nats, thousandths of log 3.
    assert 0.99 < found["mig"][0] <= 1
    # The best dimension's lead over a guess at three shapes is 2/3.
    assert found["sap"][0] == pytest.approx((1 + 1 + 2 / 3) / 3, abs=0.02)
    for name in ("disentanglement", "completeness", "informativeness"):
        assert found[name][0] == pytest.approx(1, abs=0.02)
    assert found["active_units"] == (3.0, 0.0)


def test_a_code_that_knows_nothing_is_at_chance() -> None:
    found = scores(noise(5), FACTORS)
    votes = 3 * SMALL["num_votes"]
    assert abs(found["factor_vae_score"][0] - 1 / 3) < 4 * math.sqrt(2 / 9 / votes)
    assert abs(found["beta_vae_score"][0] - 1 / 3) < 4 * math.sqrt(2 / 9 / (3 * SMALL["num_points"]))
    for name in ("mig", "sap", "disentanglement", "completeness", "informativeness"):
        assert found[name][0] < 0.05


def test_a_rotated_code_knows_all_and_separates_nothing() -> None:
    found = scores(rotated, PAIR)
    # Which of the two dimensions varies least is a toss of a coin, whichever factor is fixed.
    assert abs(found["factor_vae_score"][0] - 1 / 2) < 4 * 0.5 / math.sqrt(3 * SMALL["num_votes"])
    assert abs(found["beta_vae_score"][0] - 1 / 2) < 4 * 0.5 / math.sqrt(3 * SMALL["num_points"])
    assert found["mig"][0] < 0.05
    assert found["sap"][0] < 0.05
    assert found["disentanglement"][0] < 0.1
    assert found["completeness"][0] < 0.1
    assert found["informativeness"][0] > 0.95


def test_a_factor_in_two_dimensions_halves_the_gaps() -> None:
    codes, drawn = codes_of(lambda f: np.stack([f[:, 0], f[:, 0], f[:, 1]], 1).astype(float), PAIR)
    assert mig(codes, drawn, PAIR) == pytest.approx(1 / 2, abs=0.005)
    assert sap(codes, drawn, PAIR) == pytest.approx(1 / 2, abs=0.005)
    found = dci(codes, drawn, PAIR)
    assert found.disentanglement == pytest.approx(1, abs=0.02)
    # The twins share the importance somehow: an even share leaves 1 - log 2 / log 3 to their factor, all of it 1.
    assert (2 - math.log(2) / math.log(3)) / 2 - 0.02 < found.completeness < 1
    assert factor_vae_score(lambda f: f[:, [0, 0, 1]].astype(float), PAIR, np.random.default_rng(0)) == 1


def test_the_gap_of_a_noisy_channel_is_its_capacity() -> None:
    """A bit that is turned over with probability 0.1 keeps 1 - H(0.1) of itself, and a line explains (1 - 0.2)^2."""
    bit, random = (Factor("bit", 2),), np.random.default_rng(0)
    drawn = random.integers(0, 2, (40_000, 1))
    codes = (drawn ^ (random.random((40_000, 1)) < 0.1)).astype(float)
    entropy = -(0.1 * math.log2(0.1) + 0.9 * math.log2(0.9))
    # The share of bits turned over has standard error 0.0015, and the derivative of H(p) at 0.1 is log2(9).
    assert mig(codes, drawn, bit) == pytest.approx(1 - entropy, abs=4 * 0.0015 * math.log2(9))
    assert sap(codes, drawn, bit) == pytest.approx(0.64, abs=4 * 0.0015 * 4)


def test_mutual_information_agrees_with_scikit_learn() -> None:
    random = np.random.default_rng(0)
    a = random.integers(0, 5, 500)
    b = (a + random.integers(0, 3, 500)) % 7
    assert mutual_information(a, b, 5, 7) == pytest.approx(mutual_info_score(a, b), rel=1e-9)


def test_collapsed_dimensions_are_left_out() -> None:
    def with_a_whisper(drawn: np.ndarray) -> np.ndarray:
        # A fourth dimension, of variance 1e-6, that would share the first factor.
        return np.concatenate([perfect(drawn), 1e-3 * perfect(drawn)[:, :1]], 1)

    found = scores(with_a_whisper, FACTORS)
    assert found["active_units"][0] == 3
    assert found["mig"][0] > 0.99
    asked = {metric.name: metric.value for metric in disentanglement(with_a_whisper, FACTORS, collapsed=0.0, **SMALL)}
    assert asked["active_units"] == 4
    assert asked["mig"] == pytest.approx(2 / 3, abs=0.01)


def two_of_three(drawn: np.ndarray) -> np.ndarray:
    return perfect(drawn)[:, :2]


def test_scores_are_a_function_of_the_seed_and_repeats_are_fresh() -> None:
    first, again, other = (disentanglement(two_of_three, FACTORS, **SMALL, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    error = first[0].mc_standard_error
    assert error is not None
    # Votes that are 2/3 right have a binomial error; its square, estimated from three repeats, is below 9 times it but
    # for a chance of exp(-9), and above a hundredth of it but for one of 0.01.
    assert 0.1 < error / math.sqrt(2 / 9 / (3 * SMALL["num_votes"])) < 3


def test_votes_for_a_factor_that_the_code_ignores_are_lost() -> None:
    found = factor_vae_score(two_of_three, FACTORS, np.random.default_rng(0), num_votes=3000, batch_size=50)
    # Where the third factor is fixed the vote goes to either dimension, and is lost to the factor that owns it.
    assert found == pytest.approx(2 / 3, abs=4 * math.sqrt(2 / 9 / 3000))
    points = beta_vae_score(two_of_three, FACTORS, np.random.default_rng(0))
    assert points == 1, "two differences that are both large name the third"


def test_a_code_of_one_dimension() -> None:
    codes, drawn = codes_of(lambda f: f[:, :1].astype(float), PAIR)
    assert mig(codes, drawn, PAIR) == pytest.approx(1 / 2, abs=0.01)
    assert sap(codes, drawn, PAIR) == pytest.approx(1 / 2, abs=0.01)
    assert dci(codes, drawn, PAIR).completeness == 1


def test_what_has_no_score_is_refused_in_one_line() -> None:
    with pytest.raises(JensenError, match=r"none of the 2 dimensions .* collapsed"):
        disentanglement(lambda f: np.zeros((len(f), 2)), PAIR, **SMALL)
    with pytest.raises(JensenError, match="at least"):
        disentanglement(perfect, PAIR, repeats=1)


def test_a_linear_probe_reads_what_is_linear() -> None:
    codes, drawn = codes_of(perfect, FACTORS)
    read = linear_probe(codes[: N // 2], drawn[: N // 2, 2])(codes[N // 2 :])
    assert (read == drawn[N // 2 :, 2]).all()
