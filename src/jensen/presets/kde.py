"""Presets of `kde`."""

from __future__ import annotations

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        description="two half moons under Silverman's rule, which is made for one hump and blurs them",
        data={"source": "moons"},
        model={"rule": "silverman"},
    ),
    "moons": Preset(
        description="two half moons, the bandwidth by leave-one-out likelihood: ten seconds",
        data={"source": "moons"},
        model={"rule": "leave-one-out", "shape": "spherical"},
    ),
    "wine": Preset(
        description="UCI wine quality (--data winequality-white.csv), 11 real columns, `quality` left out",
        data={"standardize": True, "target": "quality"},
        model={"rule": "leave-one-out"},
    ),
    "mnist": Preset(
        description="50,000 round kernels in 784 dimensions on dequantised MNIST: minutes, and a gigabyte",
        data={"source": "mnist", "dequantize": True},
        model={"rule": "leave-one-out", "shape": "spherical"},
    ),
}
