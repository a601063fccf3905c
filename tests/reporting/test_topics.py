from __future__ import annotations

import torch

from jensen.reporting.topics import top_words


def test_each_topic_shows_its_likeliest_words() -> None:
    topics = torch.tensor([[0.5, 0.3, 0.2, 0.0], [0.1, 0.1, 0.2, 0.6]])
    figure = top_words(topics, ("a", "b", "c", "d"))
    first, second = figure.axes
    assert [label.get_text() for label in first.get_yticklabels()] == ["a", "b", "c", "d"]
    assert second.get_yticklabels()[0].get_text() == "d"
    assert [bar.get_width() for bar in first.patches] == topics[0].tolist()


def test_twenty_topics_at_most() -> None:
    assert len(top_words(torch.ones(25, 9) / 9, [str(i) for i in range(9)]).axes) == 20
