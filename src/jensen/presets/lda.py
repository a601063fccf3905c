"""Presets of `lda`."""

from __future__ import annotations

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        description="five topics of the reference that Python's help() shows, in seconds",
        data={"source": "python-topics"},
        model={"num_topics": 5, "passes": 5},
    ),
    "python-topics": Preset(
        description="twenty topics of the reference that Python's help() shows",
        data={"source": "python-topics"},
        model={"num_topics": 20, "alpha": 0.05, "eta": 0.2},
    ),
    "python-topics-gibbs": Preset(
        description="the same by collapsed Gibbs sampling",
        data={"source": "python-topics"},
        model={"num_topics": 20, "alpha": 0.05, "eta": 0.2, "inference": "gibbs", "passes": 200},
    ),
}
