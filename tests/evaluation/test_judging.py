"""Precision and recall, sharpness, accuracy and Parzen windows on cases whose answer is known."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from tests.command_line import done, refusal
from torch import nn

import jensen
from jensen.errors import JensenError
from jensen.evaluation.judge import judge
from jensen.evaluation.parzen import historical_parzen_log_likelihood
from jensen.evaluation.precision_recall import precision_recall
from jensen.evaluation.proportion import class_accuracy, proportion
from jensen.evaluation.sharpness import laplacian_variance


def within(found: tuple[float, float, int], expected: float, n: int) -> bool:
    """Whether a share is as expected. Neighbours are in the same ball, which widens the error: twice the binomial."""
    return abs(found[0] - expected) < 4 * 2 * math.sqrt(max(expected * (1 - expected), 0.01) / n)


def test_precision_and_recall_of_the_same_line() -> None:
    # On a line a point is the nearest neighbour of 0, 1 or 2 others with probabilities 1/4, 1/2, 1/4: its right
    # neighbour has it for nearest where the next gap is wider, and so has the left one.
    found = precision_recall(torch.rand(2000, 1), torch.rand(2000, 1), num_neighbours=1)
    assert within(found.precision, 0.75, 2000)
    assert within(found.recall, 0.75, 2000)


def test_precision_and_recall_of_half_the_line() -> None:
    """Samples on half of the data's support: all of them good, half of the data without a sample like them."""
    found = precision_recall(torch.rand(2000, 1), torch.rand(2000, 1) / 2, num_neighbours=1)
    assert within(found.precision, 0.75, 2000)
    assert within(found.recall, 0.75 / 2, 2000)
    turned = precision_recall(torch.rand(2000, 1) / 2, torch.rand(2000, 1), num_neighbours=1)
    assert within(turned.precision, 0.75 / 2, 2000)
    assert within(turned.recall, 0.75, 2000)


def test_precision_and_recall_of_disjoint_and_of_identical_points() -> None:
    x = torch.randn(300, 4)
    apart = precision_recall(x, x + 100)
    assert apart.precision.share == apart.recall.share == 0
    same = precision_recall(x, x)
    assert same.precision.share == same.recall.share == 1


def test_precision_is_of_samples_and_recall_of_data() -> None:
    """Two clusters; samples of one of them are all good, and miss the other."""
    data = torch.cat([torch.randn(200, 3), 50 + torch.randn(300, 3)])
    found = precision_recall(data, 50 + torch.randn(500, 3))
    assert found.precision.share > 0.8
    assert 0.5 < found.recall.share <= 0.6


def test_precision_and_recall_are_their_definition() -> None:
    data, samples = torch.randn(40, 2), 0.5 + torch.randn(30, 2)
    found = precision_recall(data, samples, num_neighbours=3)

    def covered(points: torch.Tensor, of: torch.Tensor) -> float:
        radii = [sorted((a - b).norm().item() for b in of)[3] for a in of]
        return sum(any((p - c).norm() <= r for c, r in zip(of, radii, strict=True)) for p in points) / len(points)

    assert found.precision.share == covered(samples, data)
    assert found.recall.share == covered(data, samples)


def test_the_laplacian_of_known_images() -> None:
    i, j = torch.meshgrid(torch.arange(8.0), torch.arange(6.0), indexing="ij")
    checkers = (-1) ** (i + j)
    plane, bowl, board = laplacian_variance(torch.stack([i + 2 * j, i**2 + j**2, checkers])[:, None]).tolist()
    # Laplacians 0, 4, and -8 times the image, which is 1 and -1 equally often on 6 x 4 pixels.
    assert (plane, bowl, board) == (0, 0, 64)
    assert laplacian_variance(torch.stack([checkers, -checkers, 0 * i])[None]).item() == 0, "of the mean over channels"


def test_the_laplacian_of_noise_is_twenty_times_its_variance() -> None:
    values = laplacian_variance(0.3 * torch.randn(400, 1, 20, 20))
    error = values.std() / math.sqrt(400)
    # The variance about the mean of an image lacks that of the mean, a share of about 1 / 18^2 at most.
    assert abs(values.mean() - 20 * 0.09) < 4 * error + 20 * 0.09 / 18**2


def test_blurring_makes_it_smaller() -> None:
    x = torch.rand(5, 3, 16, 16)
    assert (laplacian_variance(nn.functional.avg_pool2d(x, 3, stride=1, padding=1)) < laplacian_variance(x)).all()
    with pytest.raises(JensenError, match="3 x 3 or more"):
        laplacian_variance(torch.rand(5, 1, 2, 9))


class Sign(nn.Module):
    """Takes x (B, 1) for class 1 where it is positive."""

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([-x, x], 1).sigmoid().log()


def test_accuracy_of_samples_that_were_asked_for() -> None:
    x, y = torch.tensor([[1.0], [-1.0], [2.0], [3.0]]), torch.tensor([1, 1, 1, 0])
    overall, by_class = class_accuracy(Sign(), x, y)
    assert overall == (0.5, 0.25, 4)
    assert by_class[0] == (0.0, 0.0, 1)
    assert by_class[1] == (pytest.approx(2 / 3), pytest.approx(math.sqrt(2) / 3 / math.sqrt(3)), 3)
    with pytest.raises(JensenError, match="one class for each sample"):
        class_accuracy(Sign(), x, y[:3])


def test_the_error_of_a_share_is_that_of_the_share() -> None:
    shares = [proportion(torch.rand(400) < 0.3) for _ in range(400)]
    z = torch.tensor([(share - 0.3) / error for share, error, _ in shares])
    assert abs(z.std().item() - 1) < 4 / math.sqrt(800)


def test_parzen_windows() -> None:
    x = torch.randn(6, 2, 2)
    normal = torch.distributions.Normal(torch.zeros(2, 2, dtype=torch.float64), 0.7)
    one = historical_parzen_log_likelihood(torch.zeros(1, 2, 2), x, 0.7)
    torch.testing.assert_close(one, normal.log_prob(x.double()).sum((1, 2)))
    two = historical_parzen_log_likelihood(torch.stack([x[0], x[1]]), x, 0.7)
    both = torch.stack([normal.log_prob((x - s).double()).sum((1, 2)) for s in x[:2]])
    torch.testing.assert_close(two, both.logsumexp(0) - math.log(2))
    with pytest.raises(JensenError, match="bandwidth"):
        historical_parzen_log_likelihood(x, x, 0.0)


def test_parzen_windows_prefer_cluster_centres_to_the_truth() -> None:
    """What makes them misleading: draws of the data's own distribution score below as many centres of it."""
    from sklearn.cluster import KMeans

    split = jensen.data.load("digits")
    train, x = split.train.all().x.flatten(1), split.test.all().x.flatten(1)
    true, rest = train[:100], train[100:]
    centres = torch.from_numpy(KMeans(100, n_init=1, random_state=0).fit(rest.numpy()).cluster_centers_)

    def best(samples: torch.Tensor) -> float:
        return max(historical_parzen_log_likelihood(samples, x, h).mean().item() for h in (0.15, 0.2, 0.25, 0.3, 0.4))

    assert best(centres) > best(true) + 2


@pytest.fixture(scope="module")
def tiny() -> tuple[jensen.data.Split, nn.Module]:
    """Digits and a classifier of them."""
    torch.manual_seed(0)
    split = jensen.data.load("digits")
    model = jensen.create("classifier", split.spec, hidden=(64,), num_features=16)
    return split, jensen.fit(model, split, steps=300, learning_rate=3e-3).model


class Copies(nn.Module):
    """Draws training data, or those of the class that it is bound to."""

    conditional = True

    def __init__(self, data: jensen.data.Dataset, y: int | None = None) -> None:
        super().__init__()
        self.data, self.y = data, y

    def given(self, y: torch.Tensor) -> Copies:
        return type(self)(self.data, int(y))

    def sample(self, num: int) -> torch.Tensor:
        assert self.data.y is not None
        rows = torch.arange(len(self.data)) if self.y is None else (self.data.y == self.y).nonzero()[:, 0]
        return self.data.batch(rows[torch.randint(len(rows), (num,))]).x


class Grainy(Copies):
    """Draws are the mean and noise, as a Gaussian likelihood's are."""

    def sample_mean(self, num: int) -> torch.Tensor:
        return super().sample(num)

    def sample(self, num: int) -> torch.Tensor:
        x = super().sample(num)
        return x + 0.3 * torch.randn_like(x)


class Noise(nn.Module):
    def sample(self, num: int) -> torch.Tensor:
        return torch.rand(num, 1, 8, 8)


def test_copies_of_the_data_are_judged_like_data_and_noise_is_not(tiny: tuple[jensen.data.Split, nn.Module]) -> None:
    split, classifier = tiny
    found = judge(Copies(split.train), split.test, classifier, "tiny", training=split.train)
    assert found.training is not None
    assert found.accuracy is not None
    assert found.n == len(split.test)
    assert found.accuracy.share > 0.9
    assert found.accuracy_of_data == class_accuracy(classifier, *split.test.all()[:2])[0]
    assert set(found.accuracy_of_class or ()) == set(range(10))
    assert found.samples.two_sample.p_value > 0.01
    assert min(found.samples.counts) > 0
    good = found.samples.frechet
    noise = judge(Noise(), split.test, classifier, "tiny")
    assert noise.accuracy is None
    assert noise.accuracy_of_data is None
    assert noise.training is None
    assert noise.samples.two_sample.p_value < 0.01
    assert noise.samples.frechet.squared > good.squared + 4 * noise.samples.frechet.standard_error
    assert noise.samples.precision_recall.precision.share < 0.5 < found.samples.precision_recall.precision.share
    assert noise.samples.sharpness is not None
    assert found.sharpness is not None
    assert noise.samples.sharpness[0] > found.sharpness[0]
    assert judge(Noise(), split.test, classifier, "tiny") == noise, "a function of the seed"


def test_means_are_judged_in_the_place_of_draws(tiny: tuple[jensen.data.Split, nn.Module]) -> None:
    split, classifier = tiny
    draws = judge(Grainy(split.train), split.test, classifier, "tiny")
    means = judge(Grainy(split.train), split.test, classifier, "tiny", means=True)
    assert means.samples.frechet.squared < draws.samples.frechet.squared
    assert means.samples.sharpness is not None
    assert draws.samples.sharpness is not None
    assert means.samples.sharpness[0] < draws.samples.sharpness[0]
    with pytest.raises(JensenError, match="no mean E"):
        judge(Noise(), split.test, classifier, "tiny", means=True)


def test_refuses_what_cannot_be_judged(tiny: tuple[jensen.data.Split, nn.Module]) -> None:
    split, classifier = tiny
    with pytest.raises(JensenError, match=r"no p\(x\) to draw from"):
        judge(classifier, split.test, classifier, "tiny")
    with pytest.raises(JensenError, match="needs 40 samples"):
        judge(Noise(), split.test, classifier, "tiny", num_samples=10)
    small = jensen.data.load(torch.rand(60, 1, 4, 4))
    with pytest.raises(JensenError, match=r"of shape \(1, 8, 8\), the samples have \(1, 4, 4\)"):
        judge(Noise(), small.train, classifier, "tiny")
    real = jensen.data.load("digits", dequantize=True)
    with pytest.raises(JensenError, match="of unit x, the samples are real"):
        judge(Noise(), real.test, classifier, "tiny")


def test_bits_and_levels_are_seen_as_grey_values(tiny: tuple[jensen.data.Split, nn.Module]) -> None:
    split, classifier = tiny
    levels = jensen.data.load("digits", as_levels=True)
    same = judge(Copies(levels.train), levels.test, classifier, "tiny")
    grey = judge(Copies(split.train), split.test, classifier, "tiny")
    assert same.samples.counts == grey.samples.counts
    assert same.samples.frechet.squared == pytest.approx(grey.samples.frechet.squared, rel=1e-4)
    bits = jensen.data.load("digits", binarize="dynamic")
    assert judge(Copies(bits.train), bits.test, classifier, "tiny").accuracy is not None


def test_the_command(tmp_path: Path) -> None:
    done("fit gan --data digits --steps 2 --out", tmp_path / "gan")
    done("fit classifier --preset tiny --steps 50 --out", tmp_path / "eyes")
    line = f"judge {tmp_path / 'gan'} --classifier {tmp_path / 'eyes'} --num-samples 100"
    said = done(line)
    assert "100 samples beside 100 examples of digits/test" in said
    assert "features: eyes, a classifier of digits" in said
    for figure in ("mmd2", "frechet2", "precision", "recall", "classes present", "variance of the Laplacian"):
        assert figure in said
    found = json.loads(done(line, "--json"))
    assert found["n"] == 100
    assert sum(found["samples"]["counts"]) == 100
    assert 0 <= found["samples"]["precision_recall"]["recall"]["share"] <= 1
    assert "is no run of a classifier: fit one" in refusal(f"judge {tmp_path / 'eyes'} --classifier", tmp_path / "gan")
    assert "no p(x) to draw from" in refusal(f"judge {tmp_path / 'eyes'} --classifier", tmp_path / "eyes")
