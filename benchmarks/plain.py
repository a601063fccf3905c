"""The plain PyTorch loop, as a course would write it: a DataLoader, eager, single precision.

The network of Stanford's CS236 homework on variational autoencoders: 784-300-300-(10)-300-300-784, ELU, the
posterior's variance a softplus plus 1e-8, Bernoulli pixels binarised afresh at every step, Adam 1e-3, batches of 100.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

BATCH_SIZE = 100
LATENT_DIM = 10


class VAE(nn.Module):
    """q(z | x) = N(mean, variance), p(x | z) Bernoulli with logits."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = encoder()
        self.decoder = decoder()

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.encoder(x)
        mean, h = torch.chunk(h, 2, dim=-1)
        return mean, F.softplus(h) + 1e-8

    def loss(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, variance = self.encode(x)
        z = mean + torch.sqrt(variance) * torch.randn_like(mean)
        logits = self.decoder(z)
        rec = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / x.shape[0]
        kl = 0.5 * torch.sum(mean**2 + variance - torch.log(variance) - 1) / x.shape[0]
        return rec + kl, rec, kl


def encoder() -> nn.Sequential:
    return nn.Sequential(nn.Linear(784, 300), nn.ELU(), nn.Linear(300, 300), nn.ELU(), nn.Linear(300, 2 * LATENT_DIM))


def decoder() -> nn.Sequential:
    return nn.Sequential(nn.Linear(LATENT_DIM, 300), nn.ELU(), nn.Linear(300, 300), nn.ELU(), nn.Linear(300, 784))


def train(model: VAE, images: Tensor) -> Iterator[None]:
    """Trains for as long as it is asked for another step."""
    dataset = TensorDataset(images)
    loader = DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    history = []
    step = 0
    while True:
        for (x,) in loader:
            x = torch.bernoulli(x)
            optimizer.zero_grad()
            loss, _rec, _kl = model.loss(x)
            loss.backward()
            optimizer.step()
            step += 1
            if step % 100 == 0:
                history.append(loss.item())
            yield


def take(steps: Iterator[None], num_steps: int) -> None:
    for _ in itertools.islice(steps, num_steps):
        pass


@torch.no_grad()
def nelbo(
    encode: Callable[[Tensor], tuple[Tensor, Tensor]], decode: Callable[[Tensor], Tensor], x: Tensor, draws: int = 5
) -> float:
    """-ELBO in nats, averaged over the binary rows x (N, 784) and over `draws` draws of z each; seeded.

    Every contender is judged by this one, from its own posterior's mean and variance and its own logits.
    """
    total = 0.0
    with torch.random.fork_rng():
        torch.manual_seed(1)
        for batch in x.split(1000):
            mean, variance = encode(batch)
            kl = 0.5 * torch.sum(mean**2 + variance - torch.log(variance) - 1)
            for _ in range(draws):
                logits = decode(mean + torch.sqrt(variance) * torch.randn_like(mean))
                rec = F.binary_cross_entropy_with_logits(logits, batch, reduction="sum")
                total += (rec + kl).item() / draws
    return total / len(x)
