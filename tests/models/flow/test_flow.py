from __future__ import annotations

import inspect
import math
from typing import Any

import pytest
import torch
from sklearn.datasets import load_wine
from torch import Tensor, nn
from torch.distributions import Distribution, MultivariateNormal

import jensen
from jensen.data.spec import Spec
from jensen.data.toy import density
from jensen.errors import JensenError
from jensen.models.base import bound_to
from jensen.models.exact import ConditionalExact, LabelledExact
from jensen.models.flow.flow import Flow
from jensen.models.flow.layers import Logit, invertible_layers

NAMES = ["nice", "realnvp", "maf", "nsf"]
REAL = Spec((5,), "real")


def stirred(name: str, spec: Spec = REAL, by: float = 0.1, **settings: Any) -> nn.Module:
    """A small flow in double precision, away from the identity and standardised by something."""
    torch.manual_seed(0)
    model = jensen.create(name, spec, hidden=(16,), **settings).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(by * torch.randn_like(parameter))
    x = torch.randn(200, *spec.event_shape).double() * 2 + 1
    flow = model if isinstance(model, Flow) else model.density
    assert isinstance(flow, Flow)
    flow.initialize(x if flow.logit is None else x.sigmoid())
    return model


def jacobian_log_det(flow: Flow, x: Tensor, y: Tensor | None = None) -> Tensor:
    def u_of(one: Tensor) -> Tensor:
        return flow.inverse_and_log_det(one.view(1, *flow.spec.event_shape), y)[0][0]

    return torch.stack([torch.autograd.functional.jacobian(u_of, one.flatten()).slogdet()[1] for one in x])


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *((name, {}) for name in NAMES),
        ("nsf", {"conditioner": "coupling"}),
        ("realnvp", {"linear": True}),
        ("nsf", {"logit": 0.05}),
        ("maf", {"logit": 1e-6}),
    ],
)
@pytest.mark.parametrize("shape", [(5,), (1, 2, 3)])
def test_it_inverts_and_its_log_det_is_that_of_the_jacobian(
    name: str, settings: dict[str, Any], shape: tuple[int, ...]
) -> None:
    flow = stirred(name, Spec(shape, "real"), **settings)
    x = 2 * torch.randn(6, *shape).double() + 1
    x = x.sigmoid() if flow.logit is not None else x
    u, log_det = flow.inverse_and_log_det(x)
    again, back = flow.forward_and_log_det(u)
    assert again.shape == x.shape
    assert (again - x).abs().max() < 1e-9
    assert (log_det + back).abs().max() < 1e-7
    assert (log_det - jacobian_log_det(flow, x)).abs().max() < 1e-8
    expected = log_det + MultivariateNormal(torch.zeros_like(u), torch.eye(u.shape[1]).to(u)).log_prob(u)
    assert (flow.log_prob(x) - expected).abs().max() < 1e-9


@pytest.mark.parametrize("name", NAMES)
def test_it_inverts_in_single_precision(name: str) -> None:
    flow = stirred(name).float()
    x = 2 * torch.randn(1000, 5) + 1
    u, _ = flow.inverse_and_log_det(x)
    assert (flow.forward_and_log_det(u)[0] - x).abs().max() < 1e-4


@pytest.mark.parametrize("given", ["none", "label", "vector"])
@pytest.mark.parametrize("name", NAMES)
def test_a_density_in_the_plane_integrates_to_one(name: str, given: str) -> None:
    spec = Spec((2,), "real", num_classes=3, conditions=("a", "b"))
    model = stirred(name, spec, given=given)
    if given != "none":
        y = {"label": torch.tensor(2), "vector": torch.tensor([0.5, -1.0]).double()}[given]
        model = model.given(y)
    axis = torch.linspace(-15, 17, 401, dtype=torch.float64)
    with torch.no_grad():
        p = torch.cat([model.log_prob(part) for part in torch.cartesian_prod(axis, axis).split(50_000)]).exp()
    assert (p.sum() * (axis[1] - axis[0]) ** 2).item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", ["maf", "nsf"])
@pytest.mark.parametrize(("logit", "ends"), [(0.0, (-15.0, 17.0)), (0.05, (-0.05 / 0.9, 1 + 0.05 / 0.9))])
def test_a_density_of_one_dimension_integrates_to_one(name: str, logit: float, ends: tuple[float, float]) -> None:
    flow = stirred(name, Spec((1,), "real"), by=0.3, logit=logit)
    cells = 50_000
    middles = ends[0] + (torch.arange(cells, dtype=torch.float64) + 0.5)[:, None] * (ends[1] - ends[0]) / cells
    with torch.no_grad():
        p = flow.log_prob(middles).exp()
    assert (p.mean() * (ends[1] - ends[0])).item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_draws_are_of_its_density(name: str) -> None:
    flow = stirred(name, Spec((2,), "real"), by=0.1)
    torch.manual_seed(1)
    x = flow.sample(20_000)
    axis = torch.linspace(-19, 21, 251, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        p = torch.cat([flow.log_prob(part) for part in grid.split(80_000)]).exp()
    for moment in (lambda v: v, torch.square, lambda v: v * v.flip(1)):
        expected = (p[:, None] * moment(grid)).sum(0) * (axis[1] - axis[0]) ** 2
        error = moment(x).std(0) / math.sqrt(len(x))
        assert ((moment(x).mean(0) - expected).abs() < 4.5 * error).all()


@pytest.mark.parametrize("name", NAMES)
def test_what_a_layer_sees(name: str) -> None:
    flow = stirred(name, Spec((4,), "real"), num_layers=1)
    x = torch.randn(1, 4).double()
    jacobian = torch.autograd.functional.jacobian(lambda x: flow.inverse_and_log_det(x)[0][0], x)[:, 0]
    if name in ("maf", "nsf"):
        assert jacobian.triu(1).eq(0).all(), "entry i is a function of itself and of what is before it"
        assert jacobian.tril().ne(0).sum() == 10
    else:
        assert jacobian[::2].ne(0).sum() == 2, "one half is kept"
        assert jacobian[1::2].ne(0).sum() == 6, "the other is a function of itself and of that half"


def test_nice_keeps_volumes_but_for_its_scaling() -> None:
    flow = stirred("nice")
    expected = (flow.layers[-1].log_scale.sum() - flow.standardize.scale.log().sum()).item()
    log_det = flow.inverse_and_log_det(torch.randn(7, 5).double())[1]
    assert log_det.tolist() == pytest.approx([expected] * 7, abs=1e-10)


def test_units_do_not_matter() -> None:
    torch.manual_seed(0)
    x = torch.randn(300, 3) @ torch.randn(3, 3)
    units = torch.tensor([1000.0, 1.0, 1e-3])
    scores = []
    for rows, volume in ((x, 0.0), (x * units + 5 * units, units.log().sum().item())):
        torch.manual_seed(1)
        split = jensen.data.load(rows, validation=0, test=0)
        model = jensen.create("maf", split.spec, hidden=(16,))
        jensen.fit(model, split, steps=20, progress=False)
        scores.append(model.log_prob(rows) + volume)
    assert (scores[0] - scores[1]).abs().max() < 1e-2


def test_the_logit_s_log_det_is_put_back() -> None:
    """A flow that is the identity after the logit is the logit-normal law."""
    flow = jensen.create("realnvp", Spec((2,), "real"), logit=0.1).double()
    x = torch.tensor([[0.2, 0.9], [0.5, 0.0], [1.0, 1.0]]).double()
    law = torch.distributions.TransformedDistribution(
        torch.distributions.Normal(torch.zeros(2).double(), 1.0),
        [
            torch.distributions.SigmoidTransform(),
            torch.distributions.AffineTransform(-0.1 / 0.8, 1 / 0.8),
        ],
    )
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.zero_()
    assert flow.log_prob(x).tolist() == pytest.approx(law.log_prob(x).sum(1).tolist(), abs=1e-10)
    assert flow.log_prob(torch.tensor([[0.5, 1.2], [-0.2, 0.5]]).double()).tolist() == [-math.inf] * 2


def test_the_logit_keeps_its_digits_near_both_ends() -> None:
    logit = Logit(1e-6)()
    x = torch.tensor([[0.0, 1.0], [2.0**-20, 1 - 2.0**-20]])
    assert (logit(x) - logit(x.double())).abs().max() < 1e-5
    assert (logit(x)[:, 0] + logit(x)[:, 1]).abs().max() < 1e-5


def test_images_are_scored_in_their_own_units() -> None:
    split = jensen.data.load("digits", dequantize=True)
    model = jensen.create("realnvp", split.spec, hidden=(16,), logit=0.05)
    model.initialize(split.train.all().x)
    found = jensen.evaluate(model, split.test)
    assert found.measure == "volume, dequantised"
    x = split.test.fixed().all().x
    assert found["log_prob"].kind == "exact"
    # 64 pixels of 17 levels, each of which is a unit of length.
    expected = model.log_prob(x).double() - 64 * math.log(17)
    assert found["log_prob"].value == pytest.approx(expected.mean().item(), rel=1e-9)
    assert model.sample(3).shape == (3, 1, 8, 8)


def test_densities_stay_in_single_precision_under_autocast() -> None:
    flow = stirred("nsf").float()
    x = torch.randn(50, 5)
    plain = flow.log_prob(x)
    torch.manual_seed(3)
    drawn = flow.sample(5)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = flow.log_prob(x)
        torch.manual_seed(3)
        again = flow.sample(5)
    assert mixed.dtype == torch.float32
    assert torch.equal(plain, mixed)
    assert torch.equal(drawn, again)


def test_temperature_scales_u() -> None:
    flow = stirred("maf")
    torch.manual_seed(0)
    u = torch.randn(4, 5, dtype=torch.float64)
    torch.manual_seed(0)
    assert torch.allclose(flow.sample(4, 0.5), flow.forward_and_log_det(0.5 * u)[0])
    with pytest.raises(JensenError, match="temperature must be above 0"):
        flow.sample(1, 0.0)


@pytest.mark.parametrize("name", NAMES)
def test_given_a_label_or_a_vector_it_is_a_density_of_x_given_y(name: str) -> None:
    labelled = stirred(name, Spec((3,), "real", num_classes=4), given="label")
    assert isinstance(labelled, LabelledExact)
    x = torch.randn(6, 3).double()
    y = torch.tensor([0, 1, 2, 3, 0, 1])
    flow, features = labelled.density, labelled.condition(y).double()
    u, log_det = flow.inverse_and_log_det(x, features)
    assert (flow.forward_and_log_det(u, features)[0] - x).abs().max() < 1e-9
    by_hand = [jacobian_log_det(flow, x[i : i + 1], features[i : i + 1]) for i in range(6)]
    assert (log_det - torch.cat(by_hand)).abs().max() < 1e-8
    scored = labelled.given(y).log_prob(x)
    assert torch.allclose(scored[1], labelled.given(torch.tensor(1)).log_prob(x)[1])
    assert (scored - labelled.given(torch.tensor(3)).log_prob(x)).abs().max() > 1e-3, "y matters"
    assert labelled.sample(5).shape == (5, 3)
    vector = stirred(name, Spec((3,), "real", conditions=("a",)), given="vector")
    assert type(vector) is ConditionalExact
    assert vector.given(torch.tensor([0.3]).double()).sample(7).shape == (7, 3)


def test_a_flow_of_x_given_y_learns_what_y_says() -> None:
    torch.manual_seed(0)
    y = torch.randn(2000, 1)
    x = torch.cat([2 * y + 0.1 * torch.randn(2000, 1), torch.randn(2000, 1) * y.exp()], 1)
    split = jensen.data.load(x, labels=y)
    model = jensen.create("realnvp", split.spec, given="vector", num_layers=2, hidden=(32,))
    jensen.fit(model, split, steps=300, batch_size=256, learning_rate=1e-2, schedule="linear", progress=False)
    found = jensen.evaluate(model, split.test)["log_prob"]
    test = split.test.all()
    scale = torch.cat([torch.full_like(test.y, 0.1), test.y.exp()], 1)
    truth = torch.distributions.Normal(torch.cat([2 * test.y, 0 * test.y], 1), scale).log_prob(test.x).sum(1)
    marginal = MultivariateNormal(x.mean(0), torch.cov(x.T)).log_prob(test.x)
    assert abs(found.value - truth.mean().item()) < 0.2
    assert found.value > marginal.mean().item() + 1


def test_a_masked_autoregressive_flow_reaches_a_correlated_gaussian() -> None:
    split = jensen.data.load("correlated-gaussian")
    torch.manual_seed(0)
    model = jensen.create("maf", split.spec, num_layers=1, hidden=())
    jensen.fit(model, split, steps=200, batch_size=500, learning_rate=3e-2, schedule="linear", progress=False)
    x = split.test.all().x
    gap = model.log_prob(x).double() - density("correlated-gaussian").log_prob(x)
    assert gap.mean().item() == pytest.approx(0, abs=3 * gap.std().item() / math.sqrt(len(x)) + 0.002)


def test_a_real_table_given_its_class() -> None:
    table = load_wine()
    split = jensen.data.load(table.data, labels=table.target, test=0.3)
    torch.manual_seed(0)
    model = jensen.create("maf", split.spec, given="label", num_layers=2, hidden=(16,))
    jensen.fit(model, split, steps=100, learning_rate=1e-2, validate_every=10, keep="best", progress=False)
    train, test = split.train.all().x, split.test.all()
    columns = torch.distributions.Normal(train.mean(0), train.std(0)).log_prob(test.x).sum(1)
    gain = bound_to(model, test).log_prob(test.x) - columns
    assert gain.mean() > 3 * gain.std() / math.sqrt(len(gain))
    of_each = torch.stack([model.given(torch.tensor(y)).log_prob(test.x) for y in range(3)])
    assert (of_each + model.log_prior()[:, None]).argmax(0).eq(test.y).float().mean() > 0.8


def test_importing_zuko_left_validation_on() -> None:
    assert Distribution._validate_args


@pytest.mark.parametrize(
    ("name", "spec", "settings", "words"),
    [
        ("maf", Spec((1, 8, 8), "unit"), {}, "got kind 'unit': load with dequantize=true"),
        ("maf", Spec((1, 8, 8), "8-bit", levels=256), {}, "got kind '8-bit': load grey values with dequantize=true"),
        ("nsf", Spec((4,), "binary"), {}, "choose a model of discrete x, such as made"),
        ("nsf", Spec((4,), "mixed"), {}, "load without columns"),
        ("nice", Spec((1,), "real"), {}, "at least 2, got 1: set conditioner=autoregressive, or choose maf or nsf"),
        ("realnvp", Spec((1,), "real"), {}, "at least 2, got 1"),
        ("maf", REAL, {"num_layers": 0}, "num_layers must be at least 1, got 0"),
        ("maf", REAL, {"hidden": (0,)}, "width of at least 1"),
        ("maf", REAL, {"logit": 0.5}, "margin λ"),
        ("maf", REAL, {"given": "label"}, "given=label needs data with labels"),
    ],
)
def test_what_it_refuses(name: str, spec: Spec, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(JensenError) as caught:
        jensen.create(name, spec, **settings)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("word", ["univariate", "conditioner"])
def test_words_it_does_not_know(word: str) -> None:
    words = {"univariate": "affine", "conditioner": "coupling", word: "splin"}
    with pytest.raises(JensenError, match=f"unknown {word} 'splin'"):
        inspect.unwrap(invertible_layers)(3, num_layers=2, hidden=(8,), **words)


def test_a_logit_of_what_is_not_in_the_unit_interval() -> None:
    split = jensen.data.load("digits", dequantize=True, standardize=True)
    model = jensen.create("realnvp", split.spec, logit=0.05, hidden=(8,))
    with pytest.raises(JensenError, match=r"logit is of x in \[0, 1\]"):
        jensen.fit(model, split, steps=1, progress=False)


def test_another_shape() -> None:
    with pytest.raises(JensenError, match="expected a batch of x of shape"):
        jensen.create("maf", REAL).log_prob(torch.zeros(3, 4))
