"""Autoregressive models, in the order in which they are listed."""

from jensen.registry.line import Entry

ENTRIES = (
    Entry(
        "made",
        "masked autoencoder for distribution estimation: every conditional in one pass",
        "exact",
        "autoregressive",
        "Germain, Gregor, Murray & Larochelle (2015)",
        "jensen.models.autoregressive.made:build",
        "jensen.presets.made:PRESETS",
        objective="maximum likelihood",
        samples="ancestral, one pass a dimension",
    ),
)
