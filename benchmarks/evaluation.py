"""log p(x) by importance sampling (K = 1,000) against pythae's `get_nll`, in single precision, and its peak memory.

All are given the same trained weights and the same images, and have to agree before they are timed.
"""

from __future__ import annotations

import itertools
import math
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

from benchmarks import harness, jensens, mnist, peers_pythae, plain
from jensen.evaluation.likelihood import examples_at_once, log_marginal_likelihood
from jensen.models.latent.vae import VAE

OURS = ("jensen",)
BASELINES = ("pythae", "pythae, no_grad", "pythae, no_grad, one chunk")
MEMORY_AT = (100, 5000)


def trained(images: torch.Tensor, num_steps: int) -> plain.VAE:
    torch.manual_seed(0)
    model = plain.VAE()
    plain.take(plain.train(model, images), num_steps)
    return model


def pythae_contenders(model: plain.VAE, x: torch.Tensor, num_samples: int) -> dict[str, harness.Contender]:
    peer = peers_pythae.DynamicVAE().copy(model)

    def contender(batch_size: int, grad: bool) -> harness.Contender:
        def run() -> float:
            start = time.perf_counter()
            peers_pythae.get_nll(peer, x, num_samples, batch_size, grad)
            return (time.perf_counter() - start) / len(x)

        return run

    choices = [(100, True), (100, False), (num_samples, False)]
    return dict(zip(BASELINES, itertools.starmap(contender, choices), strict=True))


def jensen_model(model: plain.VAE) -> VAE:
    """The cs236 preset's model with the plain one's weights."""
    ours = jensens.create(*jensens.preset("cs236"))
    ours.get_submodule("posterior.net").load_state_dict(model.encoder.state_dict())
    ours.get_submodule("likelihood.net").load_state_dict(model.decoder.state_dict())
    return ours


def jensen_evaluation(model: VAE, x: torch.Tensor, num_samples: int) -> float:
    """The mean of log p(x), in batches as `jensen.evaluate` takes them."""
    batches = jensens.as_images(x).split(examples_at_once(num_samples))
    return torch.cat([log_marginal_likelihood(model, batch, num_samples).value for batch in batches]).mean().item()


def jensen_contender(model: plain.VAE, x: torch.Tensor, num_samples: int) -> harness.Contender:
    ours = jensen_model(model)

    def run() -> float:
        start = time.perf_counter()
        jensen_evaluation(ours, x, num_samples)
        return (time.perf_counter() - start) / len(x)

    return run


def reference(model: plain.VAE, x: torch.Tensor, num_samples: int) -> tuple[float, float]:
    """The mean of log p(x) and its Monte Carlo standard error, written out; by the delta method."""
    values, variances = [], []
    with torch.no_grad():
        for row in x:
            mean, variance = model.encode(row)
            q = torch.distributions.Normal(mean, variance.sqrt())
            z = q.sample((num_samples,))
            p = torch.distributions.Bernoulli(logits=model.decoder(z))
            prior = torch.distributions.Normal(0.0, 1.0)
            log_w = (p.log_prob(row).sum(-1) + prior.log_prob(z).sum(-1) - q.log_prob(z).sum(-1)).double()
            w = torch.softmax(log_w, 0)
            values.append(torch.logsumexp(log_w, 0) - math.log(num_samples))
            variances.append((w**2).sum() - 1 / num_samples)
    return torch.stack(values).mean().item(), (torch.stack(variances).sum().sqrt() / len(x)).item()


def check_agreement(model: plain.VAE, x: torch.Tensor, num_samples: int) -> str:
    """Both estimates within 4 standard errors of their difference from the formula (of the same size for all)."""
    expected, error = reference(model, x, num_samples)
    found = {
        "pythae": peers_pythae.get_nll(peers_pythae.DynamicVAE().copy(model), x, num_samples, grad=False),
        "jensen": jensen_evaluation(jensen_model(model), x, num_samples),
    }
    for name, value in found.items():
        if abs(value - expected) > 4 * math.sqrt(2) * error:
            raise SystemExit(f"{name} finds log p(x) = {value:.3f}, the formula {expected:.3f} +- {error:.3f}")
    values = ", ".join(f"{name} {value:.3f}" for name, value in found.items())
    return f"log p(x) of the {len(x)} images: formula {expected:.3f} +- {error:.3f} (Monte Carlo), {values}."


def peak_memory(library: str, num_samples: int, num_images: int) -> float:
    """MiB that the evaluation adds to the process's peak, in a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_added_memory, library, num_samples, num_images).result()


def _added_memory(library: str, num_samples: int, num_images: int) -> float:
    torch.set_num_threads(1)
    x = mnist.binarised(torch.full((num_images, 784), 0.5))
    evaluate = {"pythae": _pythae_evaluation, "jensen": _jensen_evaluation}[library](x)
    evaluate(min(MEMORY_AT))
    before = _resident_mib("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark
    evaluate(num_samples)
    return _resident_mib("VmHWM") - before


def _pythae_evaluation(x: torch.Tensor) -> Callable[[int], object]:
    model = peers_pythae.DynamicVAE()
    return lambda num_samples: peers_pythae.get_nll(model, x, num_samples)


def _jensen_evaluation(x: torch.Tensor) -> Callable[[int], object]:
    model = jensen_model(plain.VAE())
    return lambda num_samples: jensen_evaluation(model, x, num_samples)


def _resident_mib(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def main() -> None:
    quick = {"rounds": 2, "images": 4, "training_steps": 100}
    options = harness.arguments(__doc__, rounds=9, images=50, num_samples=1000, training_steps=2000, quick=quick)
    train, test = mnist.images()
    model = trained(train, options.training_steps)
    x = mnist.binarised(test)[:: len(test) // options.images][: options.images]
    agreement = check_agreement(model, x, options.num_samples)
    print(agreement)
    contenders = pythae_contenders(model, x, options.num_samples)
    contenders["jensen"] = jensen_contender(model, x, options.num_samples)
    kept, dropped = harness.alternate(contenders, options)
    pairs = [*((BASELINES[0], other) for other in BASELINES[1:]), *itertools.product(BASELINES, OURS)]
    ratios = [harness.ratio(kept, slow, fast) for slow, fast in pairs]
    memory = {name: {k: peak_memory(name, k, num_images=4) for k in MEMORY_AT} for name in ("pythae", "jensen")}
    rounds = f"{len(kept)} rounds of {len(x)} images at K = {options.num_samples} kept, {dropped} dropped."
    memory_table = "\n".join(
        [
            "| peak memory added, MiB | " + " | ".join(f"K = {k}" for k in MEMORY_AT) + " |",
            "|---|" + "---|" * len(MEMORY_AT),
            *(f"| {name} | " + " | ".join(f"{at[k]:.1f}" for k in MEMORY_AT) + " |" for name, at in memory.items()),
        ]
    )
    harness.publish(
        "evaluation",
        f"Evaluation, {options.num_samples} importance samples, cs236 network, MNIST",
        [f"{rounds} {agreement}", harness.medians_table(kept, "ms/image"), harness.ratios_table(ratios), memory_table],
        {
            "num_samples": options.num_samples,
            "images": len(x),
            "dropped": dropped,
            "rounds": harness.as_json(kept),
            "ratios": harness.as_json(ratios),
            "peak_memory_mib": memory,
        },
        options.quick,
    )


if __name__ == "__main__":
    main()
