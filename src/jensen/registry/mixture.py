"""Mixtures, in the order in which they are listed."""

from jensen.registry.line import Entry

ENTRIES = (
    Entry(
        "gaussian-mixture",
        "mixture of Gaussians fitted by expectation maximisation",
        "exact",
        "mixture",
        "Dempster, Laird & Rubin (1977)",
        "jensen.models.mixture.gaussian:build",
        "jensen.presets.gaussian_mixture:PRESETS",
        objective="maximum likelihood by EM",
        prior="categorical",
        kl="0 after each E-step",
        samples="a component, then its Gaussian",
    ),
)
