"""Autoregressive models, in the order in which they are listed."""

from jensen.registry.line import Entry

ENTRIES = (
    Entry(
        "fvsbn",
        "fully visible sigmoid belief network: logistic regressions on earlier bits",
        "exact",
        "autoregressive",
        "Neal (1992); Frey, Hinton & Dayan (1996)",
        "jensen.models.autoregressive.fvsbn:build",
        "jensen.presets.fvsbn:PRESETS",
        objective="maximum likelihood",
        samples="ancestral, O(D) an entry",
    ),
    Entry(
        "nade",
        "neural autoregressive density estimator: one hidden layer, shared weights",
        "exact",
        "autoregressive",
        "Larochelle & Murray (2011)",
        "jensen.models.autoregressive.nade:build",
        "jensen.presets.nade:PRESETS",
        objective="maximum likelihood",
        samples="ancestral, O(H) an entry",
    ),
    Entry(
        "made",
        "masked autoencoder for distribution estimation: every conditional in one pass",
        "exact",
        "autoregressive",
        "Germain, Gregor, Murray & Larochelle (2015)",
        "jensen.models.autoregressive.made:build",
        "jensen.presets.made:PRESETS",
        objective="maximum likelihood",
        samples="ancestral, one pass in all",
    ),
)
