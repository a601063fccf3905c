"""Presets of the adversarial autoencoder; docs/models/aae.md says what they reached."""

from jensen.presets.base import Preset

_BITS = {"source": "mnist", "binarize": "dynamic"}
_ADVERSARIES = {"betas": (0.5, 0.9), "schedule": "linear"}
_PLANE = {
    "encoder": "gaussian",
    "hidden": (300, 300),
    "discriminator_hidden": (256, 256),
    "latent_dim": 2,
    "adversary_rate": 4.0,
    "discriminator_rate": 12.0,
}
_GENTLE = {"adversary_rate": 1.0, "discriminator_rate": 4.0}  # enough for Gaussians, which have no fine structure
_PLANE_TRAINING = {"steps": 5000, "batch_size": 128, "learning_rate": 3e-4, **_ADVERSARIES}
_PUBLISHED_NET = {"hidden": (1000, 1000), "discriminator_hidden": (1000, 1000)}

PRESETS = {
    "tiny": Preset(
        "seconds: 2 latent dimensions on 8 x 8 digits, resampled to bits",
        data={"source": "digits", "binarize": "dynamic"},
        model={"encoder": "noise", "hidden": (64,), "discriminator_hidden": (64, 64), "latent_dim": 2},
        training={"steps": 300, "batch_size": 128, "learning_rate": 2e-3, "betas": (0.5, 0.9)},
    ),
    "normal": Preset(
        "minutes: MNIST in the plane, codes that match N(0, I)",
        data=_BITS,
        model={**_PLANE, **_GENTLE},
        training={**_PLANE_TRAINING, "learning_rate": 6e-4},
    ),
    "mnist": Preset(
        "minutes: MNIST in the plane, codes that match ten Gaussians",
        data=_BITS,
        model={**_PLANE, "prior": "ten-gaussians"},
        training=_PLANE_TRAINING,
    ),
    "swiss-roll": Preset(
        "minutes: MNIST in the plane, codes that match a swiss roll",
        data=_BITS,
        model={**_PLANE, "prior": "swiss-roll"},
        training={**_PLANE_TRAINING, "steps": 10_000},
    ),
    "conditional": Preset(
        "minutes: MNIST in the plane, codes of each digit that match one of ten Gaussians",
        data=_BITS,
        model={**_PLANE, **_GENTLE, "prior": "ten-gaussians", "variant": "conditional"},
        training={**_PLANE_TRAINING, "steps": 8000, "batch_size": 256, "learning_rate": 6e-4},
    ),
    "semi-supervised": Preset(
        "100 labels of MNIST: 784-1000-1000, a style of 10 numbers and a category; a quarter of an hour of a core",
        data={**_BITS, "labelled": 100},
        model={**_PUBLISHED_NET, "variant": "semi-supervised", "latent_dim": 10},
        training={"steps": 25_000, "batch_size": 100, "learning_rate": 1e-3, **_ADVERSARIES},
    ),
    "clusters": Preset(
        "MNIST without labels: 784-1000-1000, a style of 5 numbers and 16 clusters; an hour on one core",
        data=_BITS,
        model={**_PUBLISHED_NET, "variant": "cluster", "num_clusters": 16, "latent_dim": 5},
        training={"steps": 25_000, "batch_size": 100, "learning_rate": 1e-3, **_ADVERSARIES},
    ),
}
