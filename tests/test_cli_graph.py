"""jensen graph, through the entry point."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars
import pytest

import jensen
from jensen.graphs import read_bif
from jensen.reporting.graphs import GREY, MARKED
from jensen.reporting.style import SECOND
from tests.command_line import contents, done, refusal
from tests.graphs.asia import asia, asia_text


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory that holds asia.bif."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "asia.bif").write_text(asia_text())
    return tmp_path


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 50,000 draws from ASIA."""
    folder = tmp_path_factory.mktemp("asia")
    asia(folder)
    done("graph sample --num 50000 --seed 1", folder / "asia.bif", "--out", folder / "asia.csv")
    return folder / "asia.csv"


def test_separation(here: Path) -> None:
    assert json.loads(done("graph separation asia.bif asia smoke --json")) == {"separated": True, "trail": None}
    assert done("graph separation asia.bif asia smoke") == "asia and smoke are d-separated\n"
    found = json.loads(done("graph separation asia.bif asia smoke --given either --json"))
    assert found["separated"] is False
    assert found["trail"] == [
        {"node": "asia", "step": None},
        {"node": "tub", "step": "chain"},
        {"node": "either", "step": "collider"},
        {"node": "lung", "step": "chain"},
        {"node": "smoke", "step": None},
    ]
    said = done("graph separation asia.bif asia smoke --given xray")
    assert said.splitlines()[0] == (
        "asia and smoke are not d-separated given xray: asia -> tub -> either <- lung <- smoke is open"
    )
    assert "either  collider  its descendant xray is given" in said
    assert done("graph separation asia.bif asia,tub smoke --given lung,bronc") == (
        "asia,tub and smoke are d-separated given lung, bronc\n"
    )
    assert done("graph separation asia.bif smoke dysp --given either --given bronc") == (
        "smoke and dysp are d-separated given either, bronc\n"
    )
    assert done("graph separation asia.bif asia tub") == "asia and tub are not d-separated: asia -> tub is open\n"


def test_blanket(here: Path) -> None:
    assert json.loads(done("graph blanket asia.bif either --json")) == {
        "blanket": ["tub", "lung", "bronc", "xray", "dysp"]
    }
    assert "bronc  parent of a child" in done("graph blanket asia.bif either")
    Path("g.json").write_text('{"nodes": ["c"], "directed": [["a", "b"]]}')
    assert done("graph blanket g.json c") == "the Markov blanket of c is empty: it is independent of all other nodes\n"


def test_figures_of_trails_and_blankets(here: Path) -> None:
    done("graph separation asia.bif asia smoke --given either --out trail.svg --json")
    done("graph separation asia.bif asia smoke --out separated.svg")
    done("graph blanket asia.bif lung --out blanket.svg")
    trail, separated, blanket = ((here / f"{name}.svg").read_text() for name in ("trail", "separated", "blanket"))
    assert trail.count(f"stroke: {SECOND}") == 2 * 4  # the line and the head of each arrow of the trail
    assert SECOND not in separated
    assert [text.count(f"fill: {GREY}") for text in (trail, separated, blanket)] == [1, 0, 3]
    assert [text.count(f"fill: {MARKED}") for text in (trail, separated, blanket)] == [2, 2, 1]


def test_query(here: Path) -> None:
    network = read_bif("asia.bif")
    joint = network.joint()
    lung, dysp = network.nodes.index("lung"), network.nodes.index("dysp")
    with_dysp = joint.take(0, axis=dysp)
    expected = with_dysp.take(0, axis=lung).sum() / with_dysp.sum()
    found = json.loads(done("graph query asia.bif lung --given dysp=yes --json"))["marginal"]
    assert found["yes"] == pytest.approx(expected, abs=1e-12)
    assert sum(found.values()) == pytest.approx(1, abs=1e-12)
    both = json.loads(done("graph query asia.bif lung,bronc --given dysp=yes,xray=no --json"))["marginal"]
    assert list(both) == ["yes,yes", "yes,no", "no,yes", "no,no"]
    assert done("graph query asia.bif smoke").splitlines() == [
        "smoke  p(smoke)",
        "yes    0.500000",
        "no     0.500000",
    ]


def test_draws_are_a_function_of_the_seed(here: Path, rows: Path) -> None:
    assert json.loads(done("graph sample asia.bif --num 100 --seed 1 --out a.csv --json")) == {
        "out": "a.csv",
        "num": 100,
        "columns": list(read_bif("asia.bif").nodes),
    }
    done("graph sample asia.bif --num 100 --seed 1 --out b.csv")
    done("graph sample asia.bif --num 100 --seed 2 --out c.csv")
    assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes() != Path("c.csv").read_bytes()
    table = polars.read_csv(rows)
    assert table.columns == list(read_bif("asia.bif").nodes)
    assert len(table) == 50_000
    assert abs((table["smoke"] == "yes").mean() - 0.5) < 4 * 0.5 / 50_000**0.5


def test_fitted_tables_equal_counts_and_are_a_run_like_any_other(here: Path, rows: Path) -> None:
    said = json.loads(done("graph fit asia.bif --conditionals table --out run --json", rows))
    assert said == {"out": "run", "model": "dag", "conditionals": "table", "network": "run/network.bif"}
    network = read_bif("run/network.bif")
    split = jensen.data.load(
        rows, columns=json.loads(Path("run/config.json").read_text())["data"]["options"]["columns"]
    )
    x, names = split.train.all().x.long().numpy(), split.spec.columns
    assert names is not None
    assert len(x) == 40_000
    for node in network.nodes:
        parents = [names.index(parent) for parent in network.parents(node)]
        for given in np.ndindex(*(2,) * len(parents)):
            share = (x[(x[:, parents] == given).all(1), names.index(node)] == 0).mean()
            assert network.tables[node][given][0] == pytest.approx(share, abs=1e-15)
    found = json.loads(done("evaluate run --json"))
    log_prob = next(metric for metric in found["metrics"] if metric["name"] == "log_prob")
    truth = read_bif("asia.bif")
    assert log_prob["kind"] == "exact"
    assert found["measure"] == "counts"
    test = split.test.all().x.long().numpy()[:, [names.index(node) for node in truth.nodes]]
    values = truth.log_prob(test)
    # 18 fitted numbers cost 18 / 2N nats on average; a tenth of a standard error is more.
    assert abs(log_prob["value"] - values.mean()) < 0.1 * values.std() / len(test) ** 0.5
    done("sample run --num 10 --out s.csv")
    assert set(polars.read_csv("s.csv")["lung"].to_list()) <= {"yes", "no"}
    done("report run")
    assert "dag" in done("compare run")
    assert json.loads(done("graph query run/network.bif lung --given dysp=yes --json"))["marginal"]["yes"] == (
        pytest.approx(0.1028, abs=0.02)
    )


def test_all_rows_are_counted_where_none_is_held_out(here: Path, rows: Path) -> None:
    done("graph fit asia.bif --set validation=0 --set test=0 --out run", rows)
    share = (polars.read_csv(rows)["smoke"] == "yes").mean()
    assert read_bif("run/network.bif").tables["smoke"][0] == pytest.approx(share, abs=1e-15)


def test_a_state_that_no_row_has(here: Path) -> None:
    done("graph sample asia.bif --num 100 --seed 3 --out few.csv")
    polars.read_csv("few.csv").with_columns(asia=polars.lit("no")).write_csv("few.csv")
    done("graph fit asia.bif few.csv --out run")
    assert read_bif("run/network.bif").tables["asia"].tolist() == [0, 1]
    done("graph sample asia.bif --num 1000 --seed 4 --out many.csv")
    assert "-inf" in done("evaluate run --data many.csv")
    done("graph fit asia.bif few.csv --set pseudo_count=0.5 --out again")
    assert "-inf" not in done("evaluate again --data many.csv")


def test_networks_are_fitted_by_gradients(here: Path, rows: Path) -> None:
    said = done("graph fit asia.bif --conditionals network --set steps=200 --seed 2 --out run", rows)
    assert said == "run: fitted; next: jensen evaluate run, jensen graph query run/network.bif NODE\n"
    config = json.loads(Path("run/config.json").read_text())
    assert config["model"]["name"] == "dag-network"
    assert config["training"]["seed"] == 2
    # 200 steps of 3,000 are near already: the entropy of ASIA is 2.23 nats.
    log_prob = json.loads(done("evaluate run --json"))["metrics"][0]
    assert log_prob["value"] == pytest.approx(-2.236, abs=0.03 + 4 * log_prob["standard_error"])
    done("graph fit asia.bif --out tables", rows)
    done("evaluate tables")
    assert "(paired)" in done("compare tables run")


def test_linear_gaussians_of_a_graph_without_tables(here: Path) -> None:
    draws = np.random.default_rng(0)
    a = draws.normal(size=1000)
    b = 2 * a + 1 + 0.1 * draws.normal(size=1000)
    polars.DataFrame({"b": b, "a": a}).write_csv("x.csv")
    Path("g.json").write_text('{"directed": [["a", "b"]], "undirected": []}')
    said = json.loads(done("graph fit g.json x.csv --conditionals linear-gaussian --out run --json"))
    assert said == {"out": "run", "model": "dag", "conditionals": "linear-gaussian"}
    model = jensen.load("run")
    assert model.weight[0, 1].item() == pytest.approx(2, abs=5 * 0.1 / 1000**0.5)  # type: ignore[index]
    found = json.loads(done("evaluate run --json"))
    assert found["measure"] == "volume"
    log_prob = found["metrics"][0]
    expected = -np.log(2 * np.pi * np.e) - np.log(0.1)
    assert abs(log_prob["value"] - expected) < 4 * log_prob["standard_error"] + 0.02


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("separation asia.bif asia smok", "unknown node 'smok': did you mean 'smoke'?"),
        ("separation asia.bif asia smoke --given asia", "'asia' is both in x and in given: leave it out of one"),
        ("separation asia.bif asia asia", "'asia' is both in x and in y"),
        ("separation asia.bif asia", "Missing argument 'Y'"),
        ("blanket asia.bif lugn", "unknown node 'lugn': did you mean 'lung'?"),
        ("blanket none.bif lung", "none.bif: No such file or directory"),
        ("blanket cycle.json a", "cycle.json: the graph has a cycle, a -> b -> a: leave one of its arrows out"),
        ("query asia.bif lung --given dysp=maybe", "unknown state of dysp 'maybe'"),
        ("query asia.bif lung --given dysp", "--given takes NODE=STATE, such as dysp=yes, got 'dysp'"),
        ("query asia.bif lung --given dysp=yes,dysp=no", "--given says both dysp=yes and dysp=no: leave one out"),
        ("query asia.bif lung --given lung=yes", "'lung' is both asked for and given"),
        ("query asia.bif xray --given either=no,tub=yes", "either=no, tub=yes has probability 0 in this network"),
        ("query off.bif lung", "off.bif: line 31: a row of tub sums to 0.95, expected 1"),
        ("sample asia.bif --out x.txt", "choose a name that ends in .csv"),
        ("sample asia.bif --num 0 --out x.csv", "num must be at least 1, got 0"),
        ("sample asia.bif", "Missing option '--out'"),
        ("fit asia.bif x.csv --out run --conditionals tables", "unknown value of conditionals 'tables': did you mean"),
        ("fit asia.bif x.csv --out run", "no such file or folder 'x.csv'"),
        ("fit asia.bif few.csv --out run", "unknown column 'tub': (valid: asia, smoke)"),
        ("fit chain.json more.csv --out run", "column 'tub' is no node of the graph: drop it, or add [tub]"),
        ("fit half.json few.csv --out run", "the edge asia - smoke has no direction"),
        ("fit chain.json few.csv --out run --conditionals linear-gaussian", "column 'asia' is real and holds 'no'"),
        ("fit chain.json few.csv --out run --set pseudocount=1", "unknown setting of dag 'pseudocount': did you mean"),
        (
            "fit strange.bif few.csv --out run",
            "column 'smoke' holds 'no', which is none of its categories (yes, never)",
        ),
        ("", "Missing command"),
        ("separate", "No such command 'separate'"),
    ],
)
def test_bad_requests(here: Path, line: str, message: str) -> None:
    Path("cycle.json").write_text('{"directed": [["a", "b"], ["b", "a"]]}')
    Path("chain.json").write_text('{"directed": [["smoke", "asia"]]}')
    Path("half.json").write_text('{"directed": [], "undirected": [["asia", "smoke"]]}')
    Path("off.bif").write_text(asia_text().replace("(yes) 0.05, 0.95", "(yes) 0.05, 0.9", 1))
    two = "variable {} {{ type discrete [ 2 ] {{ yes, {} }}; }} probability ( {} ) {{ table 0.5, 0.5; }}\n"
    Path("strange.bif").write_text(two.format("asia", "no", "asia") + two.format("smoke", "never", "smoke"))
    Path("few.csv").write_text("asia,smoke\n" + "no,yes\nyes,no\n" * 20)
    Path("more.csv").write_text("asia,smoke,tub\n" + "no,yes,no\nyes,no,yes\n" * 20)
    before = contents(here)
    assert message in refusal(f"graph {line}")
    assert contents(here) == before
