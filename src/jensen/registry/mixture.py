"""Mixtures, in the order in which they are listed."""

from jensen.registry.line import Entry

ENTRIES = (
    Entry(
        "bernoulli-mixture",
        "mixture of products of Bernoullis fitted by expectation maximisation",
        "exact",
        "mixture",
        "McLachlan & Peel (2000)",
        "jensen.models.mixture.bernoulli:build",
        "jensen.presets.bernoulli_mixture:PRESETS",
        objective="maximum likelihood by EM",
        prior="categorical",
        kl="0 after each E-step",
        samples="a component, then its bits",
    ),
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
    Entry(
        "bayesian-gaussian-mixture",
        "mixture of Gaussians under a prior: bounds the evidence, empties needless components",
        "exact",
        "mixture",
        "Bishop (2006), section 10.2; Attias (1999)",
        "jensen.models.mixture.bayesian:build",
        "jensen.presets.bayesian_gaussian_mixture:PRESETS",
        objective="lower bound on the evidence by EM",
        prior="categorical",
        kl="of weights, means and precisions",
        samples="a component, then its Student-t",
    ),
)
