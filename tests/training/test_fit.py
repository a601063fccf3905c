"""fit: what it does to a model, what it refuses, and what several processes agree on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

import jensen
from jensen.data.spec import Batch
from jensen.errors import JensenError
from jensen.models.base import Clock, Turn
from jensen.models.latent.vae import VAE
from jensen.objectives import ELBO
from jensen.registry import entry
from jensen.training import Training, checkpoint, fit
from jensen.training.engine import Order, learning_rate


def tiny(name: str, **settings):  # type: ignore[no-untyped-def]
    preset = entry(name).preset("tiny")
    split = jensen.data.load(**preset.data)
    torch.manual_seed(0)
    return jensen.create(name, split.spec, **preset.model), split, {**preset.training, **settings}


def test_the_random_state_of_the_caller_is_left_alone() -> None:
    model, split, settings = tiny("vae", steps=5)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    fit(model, split, **settings)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads


def test_a_run_is_a_function_of_its_seed() -> None:
    rows = [fit(*tiny("vae")[:2], steps=8, log_every=1, seed=seed).history for seed in (1, 1, 2)]
    assert rows[0] == rows[1]
    assert rows[0] != rows[2]


def test_every_example_is_seen_once_an_epoch_and_in_another_order_each() -> None:
    order = Order(10, 4, seed=3)
    seen = torch.cat([order(step) for step in range(5)])  # two epochs of ten
    assert sorted(seen[:10].tolist()) == list(range(10))
    assert sorted(seen[10:].tolist()) == list(range(10))
    assert seen[:10].tolist() != seen[10:].tolist()
    assert torch.equal(Order(10, 4, seed=3)(3), order(3)), "any step can be asked for first"
    assert len(Order(3, 7, seed=0)(0)) == 7


def test_the_rate_rises_then_falls() -> None:
    settings = Training(steps=100, learning_rate=1.0, warmup=0.1, schedule="linear")
    rates = [learning_rate(settings, step) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert rates[10] == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(1 / 90)


def test_the_published_schedule_of_importance_weighting() -> None:
    settings = Training(steps=2 * 3280, learning_rate=1e-3, schedule="burda")
    rates = [1e4 * learning_rate(settings, step) for step in range(settings.steps)]
    stages = [10, 7.2, 5.2, 3.7, 2.7, 1.9, 1.4, 1.0]
    assert rates == pytest.approx([rate for i, rate in enumerate(stages) for _ in range(2 * 3**i)])


def test_a_user_module_trains_and_is_loaded_into_an_instance(tmp_path: Path) -> None:
    class Head(nn.Module):
        def __init__(self, inputs: int, outputs: int) -> None:
            super().__init__()
            self.linear = nn.Linear(inputs, outputs)

        def forward(self, value: Tensor) -> Independent:
            return Independent(Normal(self.linear(value), 0.5), 1)

    class Prior(nn.Module):
        def forward(self) -> Independent:
            return Independent(Normal(torch.zeros(2), torch.ones(2)), 1)

    def own() -> VAE:
        torch.manual_seed(0)
        return VAE(Prior(), Head(5, 2), Head(2, 5))

    split = jensen.data.load(torch.randn(400, 5).numpy())
    result = fit(own(), split, steps=50, learning_rate=1e-2, log_every=10, out=tmp_path / "run")
    figures = [row["elbo"] for row in result.history if row["part"] == "train"]
    assert figures[-1] > figures[0]
    with pytest.raises(JensenError, match="model of your own"):
        jensen.load(tmp_path / "run")
    again = jensen.load(tmp_path / "run", own())
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), result.model.parameters(), strict=True))


class Exploding(nn.Module):
    """Trains well until step 12, when one of its terms is no longer a number."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))

    def turns(self, batch: Batch, clock: Clock) -> Iterator[Turn]:
        broken = torch.where(clock.step == 12, torch.nan, 0.0)
        loss = (batch.x - self.weight).square().sum(1).mean()
        yield Turn("model", loss + broken, [self.weight], {"distance": loss.detach(), "penalty": broken})


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    split = jensen.data.load(torch.randn(200, 2).numpy())
    with pytest.raises(
        JensenError, match=r"penalty is nan at step 13; the checkpoint of step 10 .* is good.*learning_rate"
    ):
        fit(Exploding(), split, steps=40, checkpoint_every=5, log_every=7, out=tmp_path / "run")
    weights, position = checkpoint.read_tensors(tmp_path / "run" / "training.safetensors")
    assert position["step"] == 10
    assert all(value.isfinite().all() for value in weights.values() if value.is_floating_point())


def test_shared_turns_move_together() -> None:
    class Shared(nn.Module):
        """Two players on one forward pass; each would see another gradient had the other moved first."""

        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Parameter(torch.tensor(1.0))
            self.b = nn.Parameter(torch.tensor(2.0))

        def turns(self, batch: Batch, clock: Clock) -> Iterator[tuple[Turn, Turn]]:
            product = self.a * self.b
            yield Turn("one", product, [self.a]), Turn("two", -product, [self.b])

    model = Shared()
    split = jensen.data.load(torch.randn(20, 2).numpy())
    fit(model, split, steps=1, batch_size=2, learning_rate=0.1, validate_every=0)
    assert model.a.item() == pytest.approx(0.9)
    assert model.b.item() == pytest.approx(2.1)


def test_gradients_are_clipped_a_player_at_a_time() -> None:
    class Steep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(3))

        def turns(self, batch: Batch, clock: Clock) -> Iterator[Turn]:
            yield Turn("model", 1e6 * self.weight.sum(), [self.weight])

    model, seen = Steep(), []
    norm = nn.utils.clip_grad_norm_

    def spy(parameters, limit):  # type: ignore[no-untyped-def]
        out = norm(parameters, limit)
        seen.append(torch.stack([p.grad.norm() for p in parameters]).norm().item())
        return out

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.utils, "clip_grad_norm_", spy)
        fit(model, jensen.data.load(torch.randn(20, 2).numpy()), steps=2, batch_size=2, max_grad_norm=1.0)
    assert seen == pytest.approx([1.0, 1.0], rel=1e-4)


def test_a_compiled_step_follows_the_eager_one() -> None:
    # In a process of its own: what checks shapes in the tests cannot be compiled.
    code = (
        "import jensen, torch; from jensen.registry import entry; preset = entry('vae').preset('tiny')\n"
        "split = jensen.data.load(**preset.data)\n"
        "for compiled in ('no', 'yes'):\n"
        "    torch.manual_seed(0); model = jensen.create('vae', split.spec, **preset.model)\n"
        "    rows = jensen.fit(model, split, steps=4, log_every=1, compile=compiled, precision='32').history\n"
        "    print(*[row['elbo'] for row in rows if row['part'] == 'train'])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    eager, compiled = ([float(value) for value in line.split()] for line in out.splitlines())
    assert len(eager) == 4
    assert eager == pytest.approx(compiled, rel=1e-4)


@pytest.mark.parametrize("name", ["vae", "gan"])
def test_two_processes_end_with_equal_replicas(name: str, tmp_path: Path) -> None:
    model, split, settings = tiny(name, steps=6, batch_size=16, devices=2, log_every=2, validate_every=0)
    result = fit(model, split, out=tmp_path / "run", **settings)
    tensors, position = checkpoint.read_tensors(tmp_path / "run" / "training.safetensors")
    assert position["replicas_differ_by"] == 0.0
    for key, value in result.model.state_dict().items():
        assert torch.equal(value, tensors[f"model/{key}"])
    fresh = tiny(name)[0]
    assert any(not torch.equal(a, b) for a, b in zip(fresh.parameters(), result.model.parameters(), strict=True))


def test_under_torchrun_the_processes_are_there_already(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, jensen, torch\nfrom jensen.registry import entry\npreset = entry('vae').preset('tiny')\n"
        "split = jensen.data.load(**preset.data)\ntorch.manual_seed(0)\n"
        "model = jensen.create('vae', split.spec, **preset.model)\n"
        f"result = jensen.fit(model, split, steps=4, batch_size=16, log_every=2, out={str(tmp_path / 'run')!r})\n"
        # a file each: two processes that print to one pipe may mix their lines
        "total = float(sum(p.double().sum() for p in result.model.parameters()))\n"
        f"open({str(tmp_path)!r} + '/sum' + os.environ['RANK'], 'w').write(repr(total))\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", str(script)]
    subprocess.run(command, capture_output=True, text=True, check=True)
    assert (tmp_path / "sum0").read_text() == (tmp_path / "sum1").read_text()
    assert (tmp_path / "run" / "model.safetensors").exists()


def test_two_processes_need_a_batch_they_can_share() -> None:
    model, split, settings = tiny("vae", steps=2, batch_size=15, devices=2)
    with pytest.raises(JensenError, match="batch_size 15 cannot be shared equally by 2"):
        fit(model, split, **settings)


def test_settings_and_data_that_do_not_fit() -> None:
    model, split, _ = tiny("vae")
    with pytest.raises(JensenError, match="did you mean 'learning_rate'"):
        fit(model, split, learning_rat=1)
    with pytest.raises(JensenError, match="shape"):
        fit(model, jensen.data.load(torch.rand(50, 3).numpy()), steps=1)
    own = VAE(model.prior, model.posterior, model.likelihood)
    too_large = jensen.data.load((0.25 + 1.75 * torch.rand(50, 1, 8, 8).round()).numpy())
    with pytest.raises(JensenError, match=r"Bernoulli likelihood needs x in \[0, 1\], got max 2"):
        fit(own, too_large, steps=1)
    with pytest.raises(JensenError, match="cannot be trained"):
        fit(nn.Linear(2, 2), split, steps=1)
    with pytest.raises(JensenError, match="beta must be at least 0"):
        ELBO(beta=-1.0)
