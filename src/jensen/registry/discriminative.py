"""Models of y given x, in the order in which they are listed."""

from jensen.registry.line import Entry

ENTRIES = (
    Entry(
        "classifier",
        "p(y | x): accuracy, calibration, and the judge of other models' samples",
        "classifier",
        "discriminative",
        "LeCun et al. (1998); Guo et al. (2017)",
        "jensen.models.classifier:build",
        "jensen.presets.classifier:PRESETS",
        objective="cross-entropy",
    ),
)
