"""M1 + M2 of Kingma, Rezende, Mohamed & Welling (2014): the semi-supervised model of the latents of another."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor
from torch.distributions import kl_divergence
from torch.nn.functional import log_softmax

from jensen.data.spec import Batch, Spec
from jensen.distributions import PositiveMap
from jensen.distributions.chain import Chain
from jensen.errors import JensenError
from jensen.models.base import Clock, Turn
from jensen.models.labelled import cross_entropy, labelled_part
from jensen.models.latent import compose, semi_supervised
from jensen.models.latent.likelihoods import choose
from jensen.models.latent.semi_supervised import SemiSupervisedVAE
from jensen.models.latent.two_stage import TwoStageVAE
from jensen.models.latent.vae import VAE
from jensen.nets import Activation, Net


class M1M2(TwoStageVAE):
    """p(y) p(z2) p(z1 | z2, y) p(x | z1), bounded by q(z1 | x) q(y | z1) q(z2 | z1, y).

    M1 is a VAE of x; M2 is a semi-supervised VAE of the z1 that M1's encoder draws, afresh at each step and without a
    gradient to M1. Both are trained together, and neither moves the other.

    Args:
        first: M1, of x with latents z1.
        second: M2, of z1 with latents (y, z2).
        latent_dim: of z1.
    """

    conditional = True
    needs_labels = True
    discrete_latents = True
    second: SemiSupervisedVAE

    def __init__(self, first: VAE, second: SemiSupervisedVAE, latent_dim: int) -> None:
        super().__init__(first, second, latent_dim, second.num_classes + second.latent_dim)

    def posterior(self, x: Shaped[Tensor, "batch *event"]) -> Chain:
        """q(z1 | x) q(y | z1) q(z2 | z1, y): batch_shape (B,), event_shape (Z1 + C + Z2,); y has no `rsample`."""
        return Chain(self.first.posterior(x), self.second.posterior, self.second_dim, reparameterised=False)

    def classify(self, x: Shaped[Tensor, "batch *event"], num_samples: int = 20) -> Float[Tensor, "batch classes"]:
        """log (1/S) sum_s q(y | z1_s), z1_s ~ q(z1 | x): (B, C), nats."""
        z = self.first.posterior(x).sample(torch.Size([num_samples]))
        return log_softmax(self.second.classify(z.flatten(0, 1)).unflatten(0, z.shape[:2]).logsumexp(0), -1)

    def given(self, y: Int64[Tensor, "*batch"]) -> TwoStageVAE:
        """The model of x given its label."""
        bound = TwoStageVAE(self.first, self.second.given(y), self.latent_dim, self.second.latent_dim)
        bound.batch_shape = y.shape
        return bound

    def turns(self, batch: Batch, clock: Clock) -> Iterator[Turn]:
        """One turn for both, which share no parameter: M1's bound of x, and M2's objective on draws of z1."""
        labelled_x, labelled_y = labelled_part(batch)
        q_z = self.first.posterior(batch.x)
        z = q_z.rsample()
        first = (self.first.likelihood(z).log_prob(batch.x) - kl_divergence(q_z, self.first.prior())).mean()
        with torch.no_grad():
            of_labelled = self.first.posterior(labelled_x).sample()
        z = z.detach()
        second = self.second.bounds(z, batch.y, self.second.classify(z)).mean()
        classification, accuracy = cross_entropy(self.second.classify(of_labelled), labelled_y)
        loss = self.second.cw * classification - first - self.second.gw * second
        terms = {
            "first_elbo": first.detach(),
            "second_bound": second.detach(),
            "classification": classification.detach(),
            "labelled_accuracy": accuracy,
        }
        yield Turn("model", loss, list(self.parameters()), terms)


def build(
    spec: Spec,
    *,
    gw: float = 1.0,
    cw: float = 100.0,
    likelihood: choose.Name = "auto",
    net: Net = "dense",
    latent_dim: int = 50,
    second_dim: int = 50,
    hidden: tuple[int, ...] = (600, 600),
    second_hidden: tuple[int, ...] = (500,),
    activation: Activation = "softplus",
    posterior_map: PositiveMap = "exp-variance",
) -> M1M2:
    """Two models trained together: M1 between x and z1, M2 between z1 and (y, z2), whose networks are dense.

    Args:
        spec: the data, with labels; load them with labelled=N to keep N of them.
        gw: weight of M2's bounds.
        cw: weight of log q(y | z1) of labelled examples.
        likelihood: p(x | z1); "auto" is the usual one for the kind of data.
        net: of M1: "dense", "convolutional" for images, "recurrent" for series.
        latent_dim: of z1.
        second_dim: of z2.
        hidden: widths of M1's encoder; its decoder has them reversed.
        second_hidden: widths of M2's networks.
        activation: between the layers.
        posterior_map: how an encoder's output becomes a scale.
    """
    if spec.num_classes is None:
        raise JensenError("m1-m2 needs data with labels, and these have none: give labels, or target=COLUMN")
    first = compose.build(
        spec,
        likelihood=likelihood,
        net=net,
        latent_dim=latent_dim,
        hidden=hidden,
        activation=activation,
        posterior_map=posterior_map,
    )
    second = semi_supervised.build(
        Spec((latent_dim,), "real", num_classes=spec.num_classes),
        gw=gw,
        cw=cw,
        likelihood_scale="decoder",
        latent_dim=second_dim,
        hidden=second_hidden,
        activation=activation,
        posterior_map=posterior_map,
    )
    return M1M2(first, second, latent_dim)
