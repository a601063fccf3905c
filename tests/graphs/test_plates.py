"""Templates unrolled by hand, and drawn."""

from __future__ import annotations

from collections import Counter

import networkx as nx
import pytest

from jensen.errors import JensenError
from jensen.graphs import PLATE_MODELS, PlateModel, Variable, d_separated, unroll
from jensen.graphs.plates import bayesian_gaussian_mixture, gaussian_mixture, lda, vae
from jensen.reporting.graphs import svg
from jensen.reporting.plates import draw_plates


def test_the_mixture_of_two_gaussians_of_two_rows() -> None:
    expected = {("pi", f"z[{n}]") for n in (1, 2)} | {(f"z[{n}]", f"x[{n}]") for n in (1, 2)}
    expected |= {(f"{name}[{k}]", f"x[{n}]") for name in ("mu", "Sigma") for k in (1, 2) for n in (1, 2)}
    found = unroll(gaussian_mixture(), N=2, K=2)
    assert set(found.edges) == expected
    assert found.nodes["x[1]"]["kind"] == "observed"


def test_nested_plates_share_the_index_of_the_outer_one() -> None:
    found = unroll(lda(), D=2, N=3, K=2)
    assert set(found.successors("theta[2]")) == {"z[2,1]", "z[2,2]", "z[2,3]"}
    assert set(found.predecessors("w[1,3]")) == {"z[1,3]", "phi[1]", "phi[2]"}
    assert len(found) == 1 + 2 + 6 + 6 + 2 + 1
    assert found.number_of_edges() == 2 + 6 + 6 + 12 + 2


def test_what_the_unrolled_graph_says_of_independence() -> None:
    found = unroll(bayesian_gaussian_mixture(), N=2, K=2)
    assert d_separated(found, "x[1]", "x[2]", ["pi", "mu[1]", "mu[2]", "Lambda[1]", "Lambda[2]"])
    assert not d_separated(found, "x[1]", "x[2]")
    assert d_separated(found, "mu[1]", "mu[2]", ["m0", "beta0", "W0", "nu0"])
    assert not d_separated(found, "mu[1]", "mu[2]", ["m0", "beta0", "W0", "nu0", "x[1]"]), "x explains away"
    assert d_separated(unroll(vae(), N=2), "z[1]", "z[2]", ["x[1]", "x[2]", "theta"])


@pytest.mark.parametrize("name", PLATE_MODELS)
def test_the_diagrams(name: str) -> None:
    model = PLATE_MODELS[name]()
    axes = draw_plates(model).axes[0]
    kinds = Counter(type(patch).__name__ for patch in axes.patches)
    drawn = {"Circle": len(model.variables), "FancyArrowPatch": len(model.edges), "FancyBboxPatch": len(model.plates)}
    assert kinds == drawn
    assert {variable.label for variable in model.variables.values()} <= {text.get_text() for text in axes.texts}
    assert svg(draw_plates(model)) == svg(draw_plates(model))


def test_a_plate_encloses_its_variables_and_no_others() -> None:
    for build in PLATE_MODELS.values():
        model = build()
        boxes = [patch for patch in draw_plates(model).axes[0].patches if type(patch).__name__ == "FancyBboxPatch"]
        for plate, box in zip(model.plates, boxes, strict=True):
            extent = box.get_path().get_extents(box.get_patch_transform())
            for variable in model.variables.values():
                assert extent.contains(variable.at[0], -variable.at[1]) == (plate in variable.plates)


def test_what_cannot_be_unrolled() -> None:
    with pytest.raises(JensenError, match="plate K wants at least one copy, got none: give K=2"):
        unroll(gaussian_mixture(), N=2)
    with pytest.raises(JensenError, match="plate N wants at least one copy, got 0"):
        unroll(gaussian_mixture(), N=0, K=2)
    with pytest.raises(JensenError, match="unknown plate 'M'"):
        unroll(gaussian_mixture(), N=2, K=2, M=3)
    node = Variable("latent", (0, 0), (), "$a$")
    with pytest.raises(JensenError, match="unknown variable 'b'"):
        PlateModel("odd", {"a": node}, (("a", "b"),))
    with pytest.raises(JensenError, match="odd has a cycle"):
        unroll(PlateModel("odd", {"a": node, "b": node}, (("a", "b"), ("b", "a"))))
    assert list(nx.topological_sort(unroll(PlateModel("even", {"a": node, "b": node}, (("a", "b"),))))) == ["a", "b"]
