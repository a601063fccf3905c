"""Models of a given graph: tables, linear Gaussians and networks."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.graphs.asia import asia

import jensen
from jensen.data.spec import Column, Spec
from jensen.errors import JensenError
from jensen.models.baseline import gaussian
from jensen.models.graph import dag, dag_network

ASIA = "[asia][tub|asia][smoke][lung|smoke][bronc|smoke][either|lung:tub][xray|either][dysp|bronc:either]"
# The columns of x need not come in the order of the graph.
COLUMNS = ("dysp", "xray", "either", "bronc", "lung", "smoke", "tub", "asia")
SPEC = Spec((8,), "mixed", columns=COLUMNS, column_types=(Column("categorical", ("yes", "no")),) * 8)
THREE = Spec((3,), "mixed", columns=("a", "b", "c"), column_types=tuple(
    Column("categorical", tuple("xyz"[:size])) for size in (2, 3, 2)
))  # fmt: skip


def asia_rows(folder: Path, number: int) -> torch.Tensor:
    network = asia(folder)
    rows = network.sample(number)
    return torch.from_numpy(rows[:, [network.nodes.index(name) for name in COLUMNS]]).float()


def everything(sizes: tuple[int, ...]) -> torch.Tensor:
    return torch.tensor(list(itertools.product(*map(range, sizes)))).float()


def test_tables_are_fitted_and_sum_to_one(tmp_path: Path) -> None:
    model, x = dag.build(SPEC, graph=ASIA), asia_rows(tmp_path, 50_000)
    assert isinstance(model, dag.Tables)
    model.fit_to(x, x[:0])
    smokers = x[:, COLUMNS.index("smoke")] == 0
    ill = x[:, COLUMNS.index("lung")] == 0
    share = (smokers & ill).sum().item() / smokers.sum().item()
    assert model.network().tables["lung"][0, 0] == pytest.approx(share, abs=1e-15)
    total = model.log_prob(everything((2,) * 8)).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-12)
    drawn = model.sample(20_000)
    log_p = model.log_prob(drawn)
    entropy = -(model.log_prob(everything((2,) * 8)).exp() * model.log_prob(everything((2,) * 8)).clamp_min(-1e9)).sum()
    assert abs(log_p.mean() + entropy) < 4 * log_p.std() / len(drawn) ** 0.5


def test_networks_come_near_to_the_tables(tmp_path: Path) -> None:
    x, test = asia_rows(tmp_path, 20_000), asia_rows(tmp_path, 20_000)
    tables, networks = dag.build(SPEC, graph=ASIA), dag_network.build(SPEC, graph=ASIA, hidden=(8,))
    tables.fit_to(x, x[:0])
    networks.initialize(x)
    optimizer = torch.optim.Adam(networks.parameters(), lr=0.03)
    # The rows that differ, each with its share: the same gradient as of all rows.
    rows, counts = x.unique(dim=0, return_counts=True)
    for _ in range(300):
        loss = -(networks.log_prob(rows) * counts).sum() / len(x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert networks.log_prob(everything((2,) * 8)).exp().sum().item() == pytest.approx(1, abs=1e-5)
    behind = (tables.log_prob(test) - networks.log_prob(test)).mean().item()
    assert abs(behind) < 0.01


def test_the_networks_tables_say_the_same() -> None:
    model = dag_network.build(THREE, graph="[c|a:b][a][b|a]")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    rows = everything((2, 3, 2))
    assert model.log_prob(rows).exp().sum().item() == pytest.approx(1, abs=1e-5)
    network = model.network()
    assert network.tables["c"].shape == (2, 3, 2)
    assert network.log_prob(rows.long().numpy()) == pytest.approx(model.log_prob(rows).detach().numpy(), abs=1e-5)
    drawn = model.sample(20_000)
    seen = (drawn[:, None] == rows).all(2).float().mean(0)
    p = model.log_prob(rows).exp()
    assert ((seen - p).abs() < 4.5 * (p * (1 - p) / len(drawn)).sqrt()).all()


def test_a_network_sees_its_parents_alone() -> None:
    model = dag_network.build(THREE, graph="[a][b|a][c|b]").double()
    rows = torch.nn.functional.one_hot(everything((2, 3, 2)).long(), 3).double().flatten(1).requires_grad_()
    for node in range(3):
        raw = model.net(rows).unflatten(1, (3, 3))[:, node]
        (slope,) = torch.autograd.grad((raw * torch.randn_like(raw)).sum(), rows)
        reached = slope.unflatten(1, (3, 3)).abs().sum((0, 2)) > 0
        assert reached.tolist() == [[False] * 3, [True, False, False], [False, True, False]][node]


def test_linear_gaussians_with_all_arrows_are_one_gaussian() -> None:
    draws = np.random.default_rng(0)
    x = torch.from_numpy(draws.normal(size=(500, 3)) @ draws.normal(size=(3, 3)) + [1, 20, 300])
    spec = Spec((3,), "real", columns=("a", "b", "c"))
    full, other = gaussian.build(spec), dag.build(spec, graph="[b|c:a][c][a|c]")
    full.fit_to(x, x[:0])
    other.fit_to(x, x[:0])
    assert isinstance(other, dag.LinearGaussians)
    assert torch.allclose(full.log_prob(x), other.log_prob(x), rtol=1e-9)
    drawn = other.sample(50_000).double()
    error = full.covariance.diagonal().sqrt() / len(drawn) ** 0.5
    assert ((drawn.mean(0) - full.mean).abs() < 4.5 * error).all()
    spread = (full.covariance.diagonal().outer(full.covariance.diagonal()) + full.covariance**2) / len(drawn)
    assert ((drawn.T.cov() - full.covariance).abs() < 4.5 * spread.sqrt()).all()


def test_missing_arrows_cost_likelihood() -> None:
    split = jensen.data.load("correlated-gaussian")
    x = split.train.all().x
    with_arrow, without = (dag.build(split.spec, graph=text) for text in ("[0][1|0]", "[0][1]"))
    gained = [float(model.fit_to(x, x[:0])["log_prob"]) for model in (with_arrow, without)]
    correlation = float(np.corrcoef(x.T.numpy().astype(np.float64))[0, 1])
    # The mutual information of the fitted Gaussian, nats.
    assert gained[0] - gained[1] == pytest.approx(-0.5 * np.log(1 - correlation**2), abs=1e-6)


@pytest.mark.parametrize(
    ("spec", "graph", "message"),
    [
        (SPEC, "", "a graph is needed: set graph="),
        (SPEC, ASIA.replace("tub", "tubb"), "unknown column (a node of the graph) 'tubb': did you mean 'tub'?"),
        (SPEC, "[asia]", "column 'dysp' is no node of the graph: drop it, or add [dysp] to the graph"),
        (
            Spec((2,), "mixed", columns=("a", "b"), column_types=(Column("real"), Column("binary"))),
            "[a][b]",
            "a graph's columns are all real or all have states, got binary, real",
        ),
        (Spec((2,), "count"), "[0][1]", "a graph's columns are all real or all have states, got count"),
    ],
)
def test_graphs_that_do_not_suit_the_data(spec: Spec, graph: str, message: str) -> None:
    for build in (dag.build, dag_network.build):
        with pytest.raises(JensenError) as refused:
            build(spec, graph=graph)
        assert message in str(refused.value)


def test_settings_that_are_out_of_range() -> None:
    with pytest.raises(JensenError, match="pseudo_count must be at least 0"):
        dag.build(SPEC, graph=ASIA, pseudo_count=-1.0)
    with pytest.raises(JensenError, match="a layer needs a width of at least 1"):
        dag_network.build(SPEC, graph=ASIA, hidden=(0,))
    with pytest.raises(JensenError, match="dag-network is of columns with states, got real ones"):
        dag_network.build(Spec((1,), "real"), graph="[0]")
