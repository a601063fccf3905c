"""The contract, asked of every model in the registry at its tiny preset."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import jensen
from jensen.data import Batch, Split
from jensen.models.base import Clock, Exact, FitsItself, Latent, Mixture, Reconstructing, Turn, bound_to, kind_of
from jensen.objectives.base import default_objective
from jensen.registry import MODELS, entry
from jensen.settings import keys
from jensen.training import Training

DOCS = Path(__file__).parent.parent / "docs"
ALL = sorted(MODELS)
GRADIENT = [name for name in ALL if not entry(name).objective.endswith(("by EM", "all at once"))]
SAMPLED = [name for name in ALL if entry(name).kind not in ("reconstruction", "classifier")]
CLOCK = Clock(torch.tensor(0), torch.tensor(0.0))


@cache
def tiny_split(name: str) -> Split:
    data = entry(name).preset("tiny").data
    return jensen.data.load(**data)


def tiny_model(name: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    model = jensen.create(name, tiny_split(name).spec, **entry(name).preset("tiny").model)
    if isinstance(model, Mixture):
        model.initialize(tiny_split(name).train.to(dtype=torch.float64).all().x)
    elif isinstance(model, FitsItself):
        model.fit_to(
            *(part.to(dtype=torch.float64).all().x for part in (tiny_split(name).train, tiny_split(name).validation))
        )
    return model


def batch_of(name: str, size: int = 16) -> Batch:
    model = tiny_model(name)
    return tiny_split(name).train.to(dtype=floating_type(model)).batch(torch.arange(size))


def floating_type(model: nn.Module) -> torch.dtype:
    tensors = [t for t in [*model.parameters(), *model.buffers()] if t.is_floating_point()]
    return tensors[0].dtype if tensors else torch.float32


def all_turns(model: nn.Module, batch: Batch) -> list[Turn]:
    turns: list[Turn] = []
    for together in default_objective(model).turns(model, batch, CLOCK):
        turns += [together] if isinstance(together, Turn) else list(together)
    return turns


@pytest.mark.parametrize("name", ALL)
def test_registered_in_all_four_places(name: str) -> None:
    line = entry(name)
    assert line.kind == kind_of(tiny_model(name))
    assert re.search(r"\d{4}", line.source), "the source names a year"
    assert "tiny" in line.all_presets()
    page = (DOCS / "models" / f"{name}.md").read_text()
    assert f"jensen fit {name}" in page
    assert line.source.split(" (")[0].split(",")[0].split(" ")[0] in page, "the page names the source"


@pytest.mark.parametrize("name", ALL)
def test_settings_have_one_meaning_each(name: str) -> None:
    line = entry(name)
    known = keys(line)
    fields = set(Training.__dataclass_fields__)
    assert not fields & set(line.hyperparameters()), "a setting of the model hides one of the training"
    for preset in line.all_presets().values():
        for section, values in (("hyperparameters", preset.model), ("training", preset.training)):
            for key in values:
                assert known[key][0] == section


@pytest.mark.parametrize("name", SAMPLED)
def test_samples_have_the_shape_and_support_of_the_data(name: str) -> None:
    model, split = tiny_model(name), tiny_split(name)
    x = model.sample(9)
    assert x.shape == (9, *split.spec.event_shape)
    assert x.dtype == split.train.batch(torch.arange(1)).x.dtype
    assert not x.requires_grad
    if split.spec.kind == "binary":
        assert set(x.unique().tolist()) <= {0.0, 1.0}
    if split.spec.levels is not None:
        assert x.min() >= 0
        assert x.max() < split.spec.levels
    assert x.isfinite().all()


@pytest.mark.parametrize("name", ALL)
def test_densities_are_one_number_an_example(name: str) -> None:
    batch = batch_of(name, 7)
    model, x = bound_to(tiny_model(name), batch), batch.x
    if isinstance(model, Exact):
        assert model.log_prob(x).shape == (7,)
    if isinstance(model, Latent):
        q_z, p_z = model.posterior(x), model.prior()
        assert q_z.batch_shape == (7,)
        assert q_z.event_shape == p_z.event_shape
        assert model.likelihood(q_z.rsample((3,)) if q_z.has_rsample else q_z.sample((3,))).log_prob(x).shape == (3, 7)


@pytest.mark.parametrize("name", ALL)
def test_reconstructions_have_the_shape_of_the_data(name: str) -> None:
    model, x = tiny_model(name), batch_of(name, 7).x
    if isinstance(model, Reconstructing):
        assert model.encode(x).shape[0] == 7
        assert model.reconstruct(x).shape == x.shape
        assert {errors.shape for errors in model.reconstruction_errors(x).values()} == {(7,)}
    if kind_of(model) == "reconstruction":
        assert not hasattr(model, "sample"), "there is no p(x) to draw from"


@pytest.mark.parametrize("name", GRADIENT)
def test_a_turn_moves_its_player_and_no_other(name: str) -> None:
    model = tiny_model(name)
    reached: set[nn.Parameter] = set()
    for parameter in model.parameters():
        parameter.grad = None
    for turn in all_turns(model, batch_of(name)):
        gradients = torch.autograd.grad(turn.loss, list(turn.parameters), retain_graph=True, allow_unused=True)
        for parameter, gradient in zip(turn.parameters, gradients, strict=True):
            assert gradient is not None
            assert gradient.abs().max() > 0
            reached.add(parameter)
    assert reached == {p for p in model.parameters() if p.requires_grad}
    assert all(parameter.grad is None for parameter in model.parameters())


class Noise(TorchDispatchMode):
    """Records what random operations return; replayed on a batch twice as large, each half sees the same noise."""

    def __init__(self, recorded: list[Tensor] | None = None) -> None:
        super().__init__()
        self.recorded: list[Tensor] = []
        self.replay = None if recorded is None else list(recorded)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = function(*args, **(kwargs or {}))
        if torch.Tag.nondeterministic_seeded in function.tags and isinstance(out, Tensor):
            if self.replay is None:
                self.recorded.append(out.clone())
            else:
                once = self.replay.pop(0)
                grown = [
                    d for d, (small, large) in enumerate(zip(once.shape, out.shape, strict=True)) if small != large
                ]
                out.copy_(torch.cat([once, once], grown[0]) if grown else once)
        return out


@pytest.mark.parametrize("name", GRADIENT)
def test_losses_do_not_change_with_the_batch_size(name: str) -> None:
    model, fresh = (tiny_model(name).double() for _ in range(2))  # a turn may move running statistics
    x, y, *_ = batch_of(name, 16)
    x = x.double() if x.is_floating_point() else x
    yy = None if y is None else torch.cat([y, y])
    with Noise() as noise:
        once = [turn.loss.item() for turn in all_turns(model, Batch(x, y))]
    with Noise(noise.recorded) as replayed:
        twice = [turn.loss.item() for turn in all_turns(fresh, Batch(torch.cat([x, x]), yy))]
    assert not replayed.replay, "every draw was replayed"
    assert once == pytest.approx(twice, rel=1e-9)


@pytest.mark.parametrize("name", ALL)
def test_evaluation_is_a_function_of_its_seed(name: str) -> None:
    model, test = tiny_model(name), tiny_split(name).test.subset(torch.arange(40))
    first = jensen.evaluate(model, test, num_samples=20)
    torch.rand(3)
    before = torch.get_rng_state()
    second = jensen.evaluate(model, test, num_samples=20)
    assert torch.equal(before, torch.get_rng_state()), "the caller's random state is left alone"
    assert first.to_json() == second.to_json()
    assert first.n == 40
    assert all(np.isfinite(metric.value) for metric in first.metrics)


@pytest.mark.parametrize("name", ALL)
def test_a_saved_model_gives_the_same_numbers(name: str, tmp_path: Path) -> None:
    split, model = tiny_split(name), tiny_model(name)
    preset = entry(name).preset("tiny")
    result = jensen.fit(model, split, out=tmp_path / "run", **{**preset.training, "steps": 3})
    again = jensen.load(tmp_path / "run")
    test = split.test.subset(torch.arange(40))
    assert jensen.evaluate(result.model, test, 20).to_json() == jensen.evaluate(again, test, 20).to_json()
    if name in SAMPLED:
        torch.manual_seed(4)
        drawn = result.model.sample(3)
        torch.manual_seed(4)
        assert torch.equal(drawn, again.sample(3))


@pytest.mark.parametrize("name", ALL)
def test_the_tiny_preset_learns(name: str) -> None:
    preset, split = entry(name).preset("tiny"), tiny_split(name)
    if entry(name).kind == "implicit":
        pytest.skip("two players: neither loss need fall")
    model = tiny_model(name)
    before = jensen.evaluate(model, split.test, 10)
    after = jensen.evaluate(jensen.fit(model, split, **preset.training).model, split.test, 10)
    figure = next(figure for figure in ("log_prob", "elbo", "squared_error", "log_prob_y") if figure in before)
    error = np.hypot(before[figure].standard_error, after[figure].standard_error)
    gain = after[figure].value - before[figure].value
    if figure == "squared_error":
        gain = -gain
    # A mixture starts from k-means, which may already be near, and what fits itself is fitted: they must not fall.
    assert gain >= (-error if isinstance(model, Mixture | FitsItself) else 5 * error)
