"""The same network inside pythae 0.1.2: its VAE, its data set, its trainer's own loop, its `get_nll`.

Where there was a choice, the one that is faster for pythae was made: pixels are binarised a whole batch at a time, the
trainer has no evaluation set, and the first step of each turn (which carries the start of an epoch) is not counted.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import tempfile
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from pythae.data.datasets import BaseDataset, DatasetOutput
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from torch import Tensor

from benchmarks import plain

for name, logger in logging.root.manager.loggerDict.items():
    if name.startswith("pythae") and isinstance(logger, logging.Logger):
        logger.setLevel(logging.WARNING)


class Encoder(BaseEncoder):
    def __init__(self) -> None:
        super().__init__()
        self.net = plain.encoder()

    def forward(self, x: Tensor) -> ModelOutput:
        mean, h = torch.chunk(self.net(x), 2, dim=-1)
        return ModelOutput(embedding=mean, log_covariance=torch.log(F.softplus(h) + 1e-8))


class Decoder(BaseDecoder):
    def __init__(self) -> None:
        super().__init__()
        self.net = plain.decoder()

    def forward(self, z: Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=torch.sigmoid(self.net(z)))


class DynamicVAE(VAE):
    """pythae's VAE with pixels binarised afresh at every step, which its data set cannot do a batch at a time."""

    def __init__(self) -> None:
        config = VAEConfig(input_dim=(784,), latent_dim=plain.LATENT_DIM, reconstruction_loss="bce")
        super().__init__(config, Encoder(), Decoder())

    def forward(self, inputs: DatasetOutput, **kwargs: object) -> ModelOutput:
        return super().forward(DatasetOutput(data=torch.bernoulli(inputs["data"])), **kwargs)

    def copy(self, model: plain.VAE) -> DynamicVAE:
        """Takes over the plain model's weights."""
        self.encoder.net.load_state_dict(model.encoder.state_dict())
        self.decoder.net.load_state_dict(model.decoder.state_dict())
        return self

    def mean_and_variance(self, x: Tensor) -> tuple[Tensor, Tensor]:
        output = self.encoder(x)
        return output.embedding, output.log_covariance.exp()


class _Enough(Exception):
    """Leaves the trainer's loop."""


class _AfterStep(TrainingCallback):
    """Calls `then` after each training step."""

    then: Callable[[], None]

    def on_train_step_end(self, training_config: BaseTrainerConfig, **kwargs: object) -> None:
        self.then()


class Training:
    """pythae's BaseTrainer on MNIST, stopped from a callback."""

    def __init__(self, model: DynamicVAE, images: Tensor, seed: int = 0) -> None:
        self.callback = _AfterStep()
        self.folder = tempfile.TemporaryDirectory()
        config = BaseTrainerConfig(
            output_dir=self.folder.name,
            per_device_train_batch_size=plain.BATCH_SIZE,
            num_epochs=10**6,
            learning_rate=1e-3,
            optimizer_cls="Adam",
            seed=seed,
            no_cuda=True,
        )
        dataset = BaseDataset(images, torch.zeros(len(images)))
        self.trainer = BaseTrainer(model, dataset, training_config=config, callbacks=[self.callback])

    def step_seconds(self, num_steps: int) -> float:
        """Seconds per step of its `train_step` (which is an epoch), over that many steps after the first."""
        if not hasattr(self.trainer, "optimizer"):
            self.trainer.prepare_training()
        count = itertools.count()
        ticks: list[float] = []

        def then() -> None:
            if next(count) in (0, num_steps):
                ticks.append(time.perf_counter())
                if len(ticks) == 2:
                    raise _Enough

        self._until_enough(then, lambda: self.trainer.train_step(epoch=1))
        return (ticks[1] - ticks[0]) / num_steps

    def run(self, after_step: Callable[[int], bool]) -> None:
        """Its `train`, until `after_step(number of steps done)` is true."""
        count = itertools.count(1)

        def then() -> None:
            if after_step(next(count)):
                raise _Enough

        self._until_enough(then, self.trainer.train)

    def _until_enough(self, then: Callable[[], None], body: Callable[[], object]) -> None:
        self.callback.then = then
        with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(_Enough):  # its progress bar
            body()


def get_nll(model: DynamicVAE, x: Tensor, num_samples: int, batch_size: int = 100, grad: bool = True) -> float:
    """Its importance-sampling estimate of log p(x) in nats (its name notwithstanding), averaged over x (N, 784).

    `num_samples` has to be a multiple of `batch_size`, its default being 100: it silently draws another number
    otherwise. It switches gradients off neither in itself nor anywhere in its pipelines, so grad=True is as it comes.
    """
    if num_samples % batch_size:
        raise ValueError(f"num_samples {num_samples} is no multiple of batch_size {batch_size}")
    with torch.set_grad_enabled(grad):
        return float(model.get_nll(x, n_samples=num_samples, batch_size=batch_size))
