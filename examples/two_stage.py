"""What the second stage of a two-stage VAE is for: z drawn from N(0, I), and z drawn through u, beside encoded data.

Of a run that `jensen fit two-stage-vae` wrote, or of the tiny preset that is fitted first. Also prints each learned
scale beside the root mean square of its residuals on the training data: at the optimum they are equal.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

import jensen
from jensen.data import Dataset, Split
from jensen.evaluation.runs import load_split
from jensen.evaluation.samples import kernel_two_sample
from jensen.models.latent.two_stage import TwoStageVAE
from jensen.registry import entry


def some(data: Dataset, count: int) -> Tensor:
    data = data.fixed().to(dtype=torch.float32)
    return data.batch(torch.randperm(len(data))[:count].sort().values).x


@torch.no_grad()
def compare(model: TwoStageVAE, split: Split) -> None:
    torch.manual_seed(0)
    x = some(split.train, 10_000)
    z = model.first.posterior(x).sample()
    for name, stage, value in (("first", model.first, x), ("second", model.second, z)):
        p_value = stage.likelihood(stage.posterior(value).sample())
        residual = (value - p_value.mean).square().mean().sqrt()
        scale = stage.likelihood.log_scale.exp()
        print(f"{name} stage: learned scale {scale:.4f}, residuals {residual:.4f}, ratio {scale / residual:.3f}")
    for part in ("train", "test"):
        x = some(getattr(split, part), 2000)
        z = model.first.posterior(x).sample()
        through_u = model.prior().sample(torch.Size([len(z)]))[:, : model.latent_dim]
        one, two = kernel_two_sample(z, torch.randn_like(z)), kernel_two_sample(z, through_u)
        print(f"MMD^2 between generated z and the encoded z of {len(z):,} {part} examples")
        for name, test in (("z ~ N(0, I)", one), ("z ~ p(z | u)", two)):
            print(f"  {name:13} {test.mmd2:.5f} ± {test.standard_error:.5f}, bandwidth {test.bandwidth:.2f}")
        print(f"  the second is {two.mmd2 / one.mmd2:.3f} of the first")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", help="the folder of a run")
    parser.add_argument("--tiny", action="store_true", help="a few seconds, whatever the machine")
    arguments = parser.parse_args()
    if arguments.run is not None:
        compare(jensen.load(arguments.run), load_split(arguments.run))
        return
    preset = entry("two-stage-vae").preset("tiny")
    split = jensen.data.load(**preset.data)
    torch.manual_seed(0)
    model = jensen.create("two-stage-vae", split.spec, **preset.model)
    steps = 100 if arguments.tiny else preset.training["steps"]
    jensen.fit(model, split, **{**preset.training, "steps": steps}, progress=False)
    compare(model, split)


if __name__ == "__main__":
    main()
