"""Normalising flows, in the order in which they are listed."""

from jensen.registry.line import Entry

_BUILD, _FAMILY, _OBJECTIVE = "jensen.models.flow.flow:build", "flow", "maximum likelihood"

ENTRIES = (
    Entry(
        "nice",
        "flow of additive couplings, which keep volumes, with a scaling at the end",
        "exact",
        _FAMILY,
        "Dinh, Krueger & Bengio (2015)",
        _BUILD,
        "jensen.presets.nice:PRESETS",
        objective=_OBJECTIVE,
        prior="standard normal",
        samples="one pass",
        defaults={"univariate": "additive", "conditioner": "coupling"},
    ),
    Entry(
        "realnvp",
        "flow of affine couplings: one half of x is scaled and shifted given the other",
        "exact",
        _FAMILY,
        "Dinh, Sohl-Dickstein & Bengio (2017)",
        _BUILD,
        "jensen.presets.realnvp:PRESETS",
        objective=_OBJECTIVE,
        prior="standard normal",
        samples="one pass",
        defaults={"univariate": "affine", "conditioner": "coupling"},
    ),
    Entry(
        "maf",
        "masked autoregressive flow: each entry scaled and shifted given those before it",
        "exact",
        _FAMILY,
        "Papamakarios, Pavlakou & Murray (2017)",
        _BUILD,
        "jensen.presets.maf:PRESETS",
        objective=_OBJECTIVE,
        prior="standard normal",
        samples="one pass a dimension and layer",
        defaults={"univariate": "affine", "conditioner": "autoregressive"},
    ),
    Entry(
        "nsf",
        "neural spline flow: each entry by a monotone spline given those before it",
        "exact",
        _FAMILY,
        "Durkan, Bekasov, Murray & Papamakarios (2019)",
        _BUILD,
        "jensen.presets.nsf:PRESETS",
        objective=_OBJECTIVE,
        prior="standard normal",
        samples="one pass a dimension and layer",
        defaults={"univariate": "spline", "conditioner": "autoregressive", "linear": True, "num_layers": 3},
    ),
)
