"""Baselines in closed form, in the order in which they are listed."""

from jensen.registry.line import Entry

ENTRIES = (
    Entry(
        "independent",
        "every entry by itself: Gaussian, categorical or negative binomial",
        "exact",
        "baseline",
        "Fisher (1922)",
        "jensen.models.baseline.independent:build",
        "jensen.presets.independent:PRESETS",
        objective="maximum likelihood, all at once",
        samples="each entry from its own law",
    ),
    Entry(
        "gaussian",
        "one Gaussian with a full covariance",
        "exact",
        "baseline",
        "Anderson (2003)",
        "jensen.models.baseline.gaussian:build",
        "jensen.presets.gaussian:PRESETS",
        objective="maximum likelihood, all at once",
        samples="one Gaussian",
    ),
    Entry(
        "ar",
        "linear autoregression AR(p) of a series, p by held-out likelihood",
        "exact",
        "baseline",
        "Yule (1927)",
        "jensen.models.baseline.autoregression:build",
        "jensen.presets.ar:PRESETS",
        objective="least squares, all at once",
        samples="row by row",
    ),
    Entry(
        "kde",
        "kernel density, its bandwidth by a rule or by leave-one-out likelihood",
        "exact",
        "baseline",
        "Parzen (1962)",
        "jensen.models.baseline.kernel_density:build",
        "jensen.presets.kde:PRESETS",
        objective="leave-one-out likelihood or a rule, all at once",
        samples="a training row, then its kernel",
    ),
)
