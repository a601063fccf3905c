"""judge: what can be said of samples, by themselves and by the features of a classifier."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from jensen.data import Batch, Dataset, Spec
from jensen.errors import JensenError
from jensen.evaluation.frechet import Frechet, frechet_distance
from jensen.evaluation.precision_recall import PrecisionRecall, precision_recall
from jensen.evaluation.proportion import AT_ONCE, Proportion, class_accuracy, proportion
from jensen.evaluation.samples import KernelTwoSample, kernel_two_sample
from jensen.evaluation.sharpness import laplacian_variance
from jensen.models.classifier import Classifier
from jensen.training.check import like_model
from jensen.training.mode import evaluating

CONFIDENT = 0.9
TWO_SAMPLE_EXAMPLES = 2000  # the cost of the kernel test grows with the square


@dataclass(frozen=True)
class Figures:
    """What some x look like beside test data.

    two_sample: kernel test in the space of x. frechet, precision_recall: in the classifier's features. counts: how many
    x the classifier takes for each class. confident: the share of x whose class has p(y | x) above 0.9. sharpness: the
    mean variance of the Laplacian with its standard error, of images.
    """

    two_sample: KernelTwoSample
    frechet: Frechet
    precision_recall: PrecisionRecall
    counts: tuple[int, ...]
    confident: Proportion
    sharpness: tuple[float, float] | None


@dataclass(frozen=True)
class Judgement:
    """Samples beside test data, and beside them what as many training data score: no model does better but by chance.

    features: whose they are. n: samples, and test data, that were compared. sharpness: of the test data. accuracy: of
    samples asked for a class, in all and by class, of a model that can be asked; and of the test data, by their labels.
    """

    features: str
    n: int
    samples: Figures
    training: Figures | None
    sharpness: tuple[float, float] | None
    accuracy: Proportion | None
    accuracy_of_class: dict[int, Proportion] | None
    accuracy_of_data: Proportion | None

    def to_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold."""
        return _named(asdict(self))


def judge(
    model: nn.Module,
    data: Dataset,
    classifier: Classifier,
    features: str,
    num_samples: int = 5000,
    training: Dataset | None = None,
    seed: int = 0,
    means: bool = False,
) -> Judgement:
    """Compares draws of a model with data that it was not trained on, as many of each.

    A model of x given a class is asked for as many of each class.

    Args:
        model: anything with `sample`.
        data: test data.
        classifier: of data of the same shape; its last hidden layer is the feature space.
        features: the classifier's name, for the labels.
        num_samples: how many, and no more than there are data.
        training: training data, to say what data themselves score.
        seed: of the draws.
        means: compares E[x | z] of the latents that are drawn, and no x: pictures without the noise of the likelihood.
    """
    if not hasattr(model, "sample"):
        raise JensenError("this model has no p(x) to draw from: judge a model that can be sampled")
    if means and not hasattr(model, "sample_mean"):
        raise JensenError("this model has no mean E[x | z] to compare: judge its draws, without --means")
    n = min(num_samples, len(data))
    if n < 40:
        raise JensenError(f"judging needs 40 samples and test data, got {n}: raise --num-samples or give more data")
    look = _Look(classifier, data.spec)
    device = next(classifier.parameters()).device
    with evaluating(model, data.device, seed), evaluating(classifier, device, seed):
        x, labels, _ = _some(data, n, model)
        drawn, y = _draw(model, data.spec, n, "sample_mean" if means else "sample")
        accuracy, by_class = (None, None) if y is None else class_accuracy(classifier, look(drawn), y)
        of_data = None if y is None or labels is None else class_accuracy(classifier, look(x), labels)[0]
        others = None if training is None or len(training) < n else _some(training, n, model).x
        return Judgement(
            features,
            n,
            _figures(x, drawn, look),
            None if others is None else _figures(x, others, look),
            _sharpness(look(x)),
            accuracy,
            by_class,
            of_data,
        )


class _Look:
    """x as the classifier takes it, and what it sees there."""

    def __init__(self, classifier: Classifier, spec: Spec) -> None:
        made_for = Spec.from_json(classifier.recipe["spec"])  # type: ignore[arg-type,index]
        if made_for.event_shape != spec.event_shape:
            raise JensenError(
                f"the classifier is of x of shape {made_for.event_shape}, the samples have {spec.event_shape}: fit one "
                "to data of that shape"
            )
        self.classifier, self.top = classifier, 1.0
        if made_for.kind == "unit" and spec.kind in ("8-bit", "categorical"):
            self.top = (spec.levels or 256) - 1.0
        elif made_for.kind != spec.kind and {made_for.kind, spec.kind} != {"unit", "binary"}:
            raise JensenError(
                f"the classifier is of {made_for.kind} x, the samples are {spec.kind}: fit one to data loaded alike"
            )

    def __call__(self, x: Tensor) -> Tensor:
        return x if x.is_floating_point() and self.top == 1 else x.float() / self.top

    def features(self, x: Tensor) -> Tensor:
        return torch.cat([self.classifier.features(self(some)) for some in x.split(AT_ONCE)])

    def log_prob(self, x: Tensor) -> Tensor:
        return torch.cat([self.classifier.classify(self(some)) for some in x.split(AT_ONCE)])


def _figures(data: Tensor, x: Tensor, look: _Look) -> Figures:
    of_data, of_x, log_prob = look.features(data), look.features(x), look.log_prob(x)
    confidence, named = log_prob.exp().max(1)
    return Figures(
        kernel_two_sample(data[:TWO_SAMPLE_EXAMPLES], x[:TWO_SAMPLE_EXAMPLES]),
        frechet_distance(of_data, of_x),
        precision_recall(of_data, of_x),
        tuple(named.bincount(minlength=log_prob.shape[1]).tolist()),
        proportion(confidence > CONFIDENT),
        _sharpness(look(x)),
    )


def _sharpness(x: Tensor) -> tuple[float, float] | None:
    if x.ndim != 4 or min(x.shape[2:]) < 3:
        return None
    values = laplacian_variance(x)
    return float(values.mean()), float(values.std() / len(values) ** 0.5)


def _some(data: Dataset, n: int, model: nn.Module) -> Batch:
    index = torch.randperm(len(data))[:n].sort().values
    return like_model(data.fixed(), model).batch(index.to(data.device))


def _draw(model: nn.Module, spec: Spec, n: int, how: str) -> tuple[Tensor, Tensor | None]:
    """n draws by the method `how`; of a model that takes a class, with the classes asked for, as many of each."""
    if not getattr(model, "conditional", False) or spec.num_classes is None:
        return torch.cat([getattr(model, how)(len(some)) for some in torch.arange(n).split(1000)]), None
    y = torch.arange(n) % spec.num_classes
    parts = [
        getattr(model.given(torch.tensor(label)), how)(count)  # type: ignore[operator]
        for label, count in enumerate(y.bincount().tolist())
    ]
    asked = y.sort().values
    order = torch.randperm(n)  # the kernel test looks at the first of them
    return torch.cat(parts)[order], asked[order]


def _named(value: Any) -> Any:
    if isinstance(value, Proportion):
        return value._asdict()
    if isinstance(value, dict):
        return {key: _named(one) for key, one in value.items()}
    return value
