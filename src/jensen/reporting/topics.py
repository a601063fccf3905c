"""Figures of topics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from jensen.reporting.style import FIRST, INK, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TOPICS, _WORDS, _ACROSS = 20, 8, 4


def top_words(topics: Float[Tensor, "topics words"], words: Sequence[str]) -> Figure:
    """The likeliest words of the first twenty topics, a panel each, with their probabilities.

    Args:
        topics: rows that sum to 1.
        words: their names.
    """
    shown = topics[:_TOPICS].cpu()
    across, down = min(_ACROSS, len(shown)), -(-len(shown) // _ACROSS)
    figure = new_figure(2.4 * across, 1.6 * down)
    for place, topic in enumerate(shown):
        axes = figure.add_subplot(down, across, place + 1)
        top = topic.topk(min(_WORDS, len(words)))
        axes.barh(range(len(top.values)), top.values.tolist(), color=FIRST, height=0.7)
        axes.set_yticks(range(len(top.values)), [words[i] for i in top.indices.tolist()])
        axes.invert_yaxis()
        axes.set_title(f"topic {place + 1}", fontsize=9, color=INK)
        tidy(axes, grid=False)
        axes.tick_params(labelsize=8)
        axes.locator_params(axis="x", nbins=3)
    return figure
