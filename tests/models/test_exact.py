from __future__ import annotations

import torch
from torch import Tensor, nn

import jensen
from jensen.data.spec import Batch, Spec
from jensen.models.base import bound_to, kind_of
from jensen.models.conditions import Label, Vector, condition_for
from jensen.models.exact import ConditionalExact, LabelledExact, conditioned


class Shifted(nn.Module):
    """N(x; y, 1) of a number, the simplest density that a y moves."""

    def log_prob(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.distributions.Normal(y.sum(-1, keepdim=True), 1.0).log_prob(x).sum(1)

    def sample(self, num_samples: int, temperature: float = 1.0, *, y: Tensor) -> Tensor:
        assert len(y) == num_samples
        return y.sum(-1, keepdim=True) + temperature * torch.randn(num_samples, 1)


def test_a_condition_binds_for_each_x_or_for_all() -> None:
    model = conditioned(Shifted(), Vector(2))
    assert isinstance(model, ConditionalExact)
    assert kind_of(model) == "exact"
    x, y = torch.randn(5, 1), torch.randn(5, 2)
    expected = torch.distributions.Normal(y.sum(1), 1.0).log_prob(x[:, 0])
    torch.testing.assert_close(bound_to(model, Batch(x, y)).log_prob(x), expected)
    torch.testing.assert_close(model.given(y[0]).log_prob(x)[0], expected[0])
    assert model.given(y[:3, None]).log_prob(x).shape == (3, 5)
    draws = model.given(y).sample(2000)
    assert draws.shape == (2000, 5, 1)
    assert (draws.mean(0)[:, 0] - y.sum(1)).abs().max() < 5 / 2000**0.5


def test_of_labelled_data_it_is_a_classifier_too() -> None:
    class Far(Shifted):
        def log_prob(self, x: Tensor, y: Tensor) -> Tensor:
            return super().log_prob(x, 5 * y[:, 1:])

    model = conditioned(Far(), condition_for(Spec((1,), "real", num_classes=2), "label"))
    assert isinstance(model, LabelledExact)
    model.initialize(torch.zeros(8, 1), torch.tensor([0, 0, 0, 0, 0, 0, 0, 1]))
    torch.testing.assert_close(model.log_prior().exp(), torch.tensor([0.8, 0.2]))
    assert jensen.class_log_probs(model, torch.tensor([[0.0], [5.0]])).argmax(1).tolist() == [0, 1]
    assert model.sample(6).shape == (6, 1)


def test_without_a_condition_it_is_the_density_itself() -> None:
    density = Shifted()
    assert conditioned(density, condition_for(Spec((1,), "real"), "none")) is density
    assert isinstance(condition_for(Spec((1,), "real", conditions=("a",)), "vector"), Vector)
    assert isinstance(condition_for(Spec((1,), "real", num_classes=3), "label"), Label)
