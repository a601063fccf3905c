"""`wavenet` on `tones` against baselines, in bits a sample, and the pitch of what it draws.

    python -m benchmarks.wavenet_tones --threads 1

Trains the preset `tones` with as many seeds as `--seeds` says (a few minutes of a core each). Beside it stand
`independent`; an autoregression of the samples in [-1, 1] given those before, linear and Gaussian, whose mass on the
interval of each level is the level's probability (an `ar` of `--order` lags); and what no model can be expected to go
below: the bits of each level given the sound without its noise, which is known where the sounds are made. Draws, some
of each note, are counted as in tune where they are loudest within a quarter tone of their note.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Normal

import jensen
from benchmarks import harness
from jensen.data import Split
from jensen.data.audio import from_mu_law
from jensen.data.tones import NOISE, PITCHES, RATE, clean_tones
from jensen.models.base import bound_to
from jensen.registry import create, entry


def interval_bits(levels: Tensor, law: Normal) -> Tensor:
    """-log2 of the mass that each Gaussian gives the x of its level, (N,): the mean over the samples of each sound."""
    edges = torch.from_numpy(from_mu_law(np.arange(1, 256) - 0.5))
    edges = torch.cat([edges.new_tensor([-math.inf]), edges, edges.new_tensor([math.inf])])
    mass = law.cdf(edges[levels + 1]) - law.cdf(edges[levels])
    return -mass.clamp(min=1e-300).log2().mean(1)


def linear(split: Split, order: int, count: int) -> Tensor:
    """Bits a sample of each test sound under the autoregression."""
    x = torch.from_numpy(from_mu_law(split.train.batch(torch.arange(count)).x.numpy()))[..., None]
    spec = jensen.data.Spec(tuple(x.shape[1:]), "real")
    model: Any = create("ar", spec, order=order)
    model.fit_to(x, x[:0])
    levels = split.test.all().x
    conditionals = model.conditionals(torch.from_numpy(from_mu_law(levels.numpy()))[..., None])
    return interval_bits(levels, Normal(conditionals.loc[..., 0], conditionals.scale_tril[..., 0, 0]))


def known(split: Split) -> Tensor:
    """Bits a sample of each test sound given the sound without its noise."""
    clean = torch.from_numpy(clean_tones(0)[-len(split.test) :])
    return interval_bits(split.test.all().x, Normal(clean, NOISE))


def in_tune(model: Any, each: int) -> float:
    """The share of draws of the notes that are loudest within a quarter tone of their note."""
    notes = torch.arange(len(PITCHES)).repeat_interleave(each)
    torch.manual_seed(0)
    x = from_mu_law(model.given(notes).sample(1)[0].numpy())
    loudest = np.abs(np.fft.rfft(x * np.hanning(x.shape[1]), 2**15)).argmax(1) * RATE / 2**15
    away = 12 * np.abs(np.log2(loudest / PITCHES[notes.numpy()]))
    return float((away < 0.5).mean())


def main() -> None:
    options = harness.arguments(
        __doc__, seeds=1, order=32, each=8, sounds=100, quick={"seeds": 1, "order": 4, "each": 1, "sounds": 10}
    )
    preset = entry("wavenet").preset("tones")
    split = jensen.data.load(**preset.data)
    independent: Any = jensen.fit(create("independent", split.spec), split).model
    per_bit = math.log(2) * split.spec.num_dims
    bits = {
        "independent": -independent.log_prob(split.test.all().x) / per_bit,
        f"ar of {options.order} lags": linear(split, options.order, options.sounds),
    }
    tuned = []
    for seed in range(options.seeds):
        torch.manual_seed(seed)
        training = {**preset.training, "seed": seed, **({"steps": 3} if options.quick else {})}
        model: Any = jensen.fit(create("wavenet", split.spec, **preset.model), split, **training).model
        tuned.append(in_tune(model, options.each))
        with torch.no_grad():
            log_prob = [bound_to(model, batch).log_prob(batch.x) for batch in split.test.batches(50)]
        bits[f"wavenet given the note, seed {seed}"] = -torch.cat(log_prob) / per_bit
    bits["the noise alone"] = known(split)
    lines = ["| | bits a sample | standard error |", "|---|---|---|"]
    lines += [f"| {name} | {each.mean():.3f} | {each.std() / len(each) ** 0.5:.3f} |" for name, each in bits.items()]
    shares = ", ".join(f"{share:.0%}" for share in tuned)
    said = f"{shares} of {options.each} draws of each note are in tune."
    values = {"bits": {name: float(each.mean()) for name, each in bits.items()}, "in_tune": tuned}
    harness.publish("wavenet-tones", "wavenet on tones", ["\n".join(lines), said], values, options.quick)


if __name__ == "__main__":
    main()
