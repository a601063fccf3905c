"""The worked figures of variational inference: each shows the fact that it is drawn for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from benchmarks.figures import em_bound, kl_directions

from jensen.reporting.style import png


def test_forward_has_the_moments_of_p_and_reverse_one_of_its_modes() -> None:
    found = kl_directions.compute(tiny=True)
    p = kl_directions.target()
    forward, *sides = found.q.values()
    np.testing.assert_allclose(forward.mean, p.mean, atol=1e-6)
    np.testing.assert_allclose(forward.variance, p.variance, rtol=1e-6)
    for q, mode in zip(sides, p.component_distribution.mean, strict=True):
        np.testing.assert_allclose(q.mean, mode, atol=0.05)
    # Each is best in the direction that it was fitted in.
    names = list(found.q)
    assert found.forward(names[0]) < min(found.forward(name) for name in names[1:]) / 5
    for name in names[1:]:
        assert found.reverse(name) == pytest.approx(math.log(2), abs=0.01), "half of p is missed"
        assert found.reverse(name) < found.reverse(names[0])
    assert "reverse, from the right" in kl_directions.table(found)
    assert len(png(kl_directions.draw(found))) > 10_000


def test_the_bound_touches_at_each_e_step_and_rises_at_each_m_step() -> None:
    found = em_bound.compute(tiny=True)
    steps = list(
        zip(found.theta, found.theta[1:], found.log_prob, found.after_m_step, found.log_prob[1:], strict=False)
    )
    for before, after, reached, raised, next_reached in steps:
        assert em_bound.bound(found.x, before, before) == pytest.approx(reached, abs=1e-12)
        assert reached < raised <= next_reached + 1e-12
        for other in (after - 0.1, after + 0.1):
            assert em_bound.bound(found.x, other, before) < raised
        grid = np.linspace(-3, 6, 40)
        assert all(
            em_bound.bound(found.x, theta, before) <= em_bound.log_prob(found.x, theta) + 1e-12 for theta in grid
        )
    assert len(em_bound.table(found).splitlines()) == 2 + 6
    assert len(em_bound.draw(found).axes) == 2
