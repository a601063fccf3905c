"""A given directed graph whose conditionals are fitted in closed form: tables, or linear Gaussians.

Sources: Pearl (1988), Probabilistic Reasoning in Intelligent Systems; Spiegelhalter and Lauritzen (1990), Sequential
updating of conditional probabilities on directed graphical structures; Shachter and Kenley (1989), Gaussian influence
diagrams.
"""

from __future__ import annotations

from collections.abc import Mapping

import networkx as nx
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.distributions import Normal

from jensen.data.spec import Spec
from jensen.errors import JensenError
from jensen.graphs.fitting import fit_linear_gaussian, fit_tables, uniform
from jensen.graphs.network import DiscreteNetwork
from jensen.models.graph.columns import graph_over, states_of


class Tables(nn.Module):
    """p(x) = ∏_i p(x_i | x_pa(i)) for x_i with states, each conditional a table; float64 buffers `table_0`, ...

    Args:
        spec: what x is.
        graph: over its entries, in their order.
        states: of each entry.
        pseudo_count: added to the count of each state.
    """

    def __init__(
        self, spec: Spec, graph: nx.DiGraph, states: Mapping[str, tuple[str, ...]], pseudo_count: float
    ) -> None:
        super().__init__()
        self.spec, self.graph, self.states, self.pseudo_count = spec, graph, states, pseudo_count
        for place, table in enumerate(uniform(graph, states).tables.values()):
            self.register_buffer(f"table_{place}", torch.from_numpy(table))

    def network(self) -> DiscreteNetwork:
        """The network of these tables, which can be asked and written."""
        tables = {node: self.get_buffer(f"table_{i}").cpu().numpy() for i, node in enumerate(self.graph)}
        return DiscreteNetwork(self.graph, self.states, tables)

    def log_prob(self, x: Shaped[Tensor, "batch *event"]) -> Float[Tensor, "batch"]:
        """log p(x) in nats, (N, *event) -> (N,), in float64; -inf where the tables have 0."""
        return torch.from_numpy(self.network().log_prob(x.flatten(1).long().cpu().numpy())).to(x.device)

    @torch.no_grad()
    def sample(self, num_samples: int) -> Shaped[Tensor, "num_samples *event"]:
        """Each entry given its parents: (N, *event), of the data's type."""
        rows = torch.from_numpy(self.network().sample(num_samples)).to(next(self.buffers()).device)
        whole = self.spec.kind in ("8-bit", "categorical")
        return rows.to(torch.int64 if whole else torch.get_default_dtype()).view(num_samples, *self.spec.event_shape)

    @torch.no_grad()
    def fit_to(self, x: Shaped[Tensor, "batch *event"], validation: Shaped[Tensor, "_ *event"]) -> dict[str, Tensor]:
        """The shares of each state among the rows that agree with its parents' states.

        Raises:
            JensenError: where x has a state that is not there.
        """
        rows = x.flatten(1).long().cpu().numpy()
        fitted = fit_tables(self.graph, self.states, rows, self.pseudo_count)
        for place, table in enumerate(fitted.tables.values()):
            self.get_buffer(f"table_{place}").copy_(torch.from_numpy(table))
        return {"log_prob": self.log_prob(x).mean()}


class LinearGaussians(nn.Module):
    """p(x) = ∏_i N(x_i; intercept_i + Σ_j weight_ij x_j, scale_i²), j the parents of i: a Gaussian, in the units of x.

    With W = weight, x = (I - W)^-1 (intercept + scale ε): mean (I - W)^-1 intercept, precision
    (I - W)' diag(scale)^-2 (I - W).

    Args:
        spec: what x is.
        graph: over its entries, in their order.
    """

    intercept: Tensor
    weight: Tensor
    scale: Tensor

    def __init__(self, spec: Spec, graph: nx.DiGraph) -> None:
        super().__init__()
        self.spec, self.graph = spec, graph
        self.register_buffer("intercept", torch.zeros(len(graph), dtype=torch.float64))
        self.register_buffer("weight", torch.zeros(len(graph), len(graph), dtype=torch.float64))
        self.register_buffer("scale", torch.ones(len(graph), dtype=torch.float64))

    def log_prob(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch"]:
        """log p(x) in nats, (N, *event) -> (N,), in float64."""
        rows = x.flatten(1).double()
        return Normal(self.intercept + rows @ self.weight.T, self.scale, validate_args=False).log_prob(rows).sum(1)

    @torch.no_grad()
    def sample(self, num_samples: int) -> Float[Tensor, "num_samples *event"]:
        """All entries at once: (N, *event), in the default floating point type, as data is."""
        noise = self.intercept + self.scale * torch.randn(num_samples, len(self.scale)).to(self.scale)
        arrows = torch.eye(len(self.scale)).to(self.weight) - self.weight
        rows = torch.linalg.solve(arrows, noise.T).T
        return rows.to(torch.get_default_dtype()).reshape(num_samples, *self.spec.event_shape)

    @torch.no_grad()
    def fit_to(self, x: Float[Tensor, "batch *event"], validation: Float[Tensor, "_ *event"]) -> dict[str, Tensor]:
        """Least squares of each entry on its parents.

        Raises:
            JensenError: where a column is constant or a linear function of its parents.
        """
        fitted = fit_linear_gaussian(self.graph, x.flatten(1).double().cpu().numpy())
        for name, values in fitted._asdict().items():
            self.get_buffer(name).copy_(torch.from_numpy(values))
        return {"log_prob": self.log_prob(x).mean()}


def build(spec: Spec, *, graph: str = "", pseudo_count: float = 0.0) -> Tables | LinearGaussians:
    """A given graph, with tables where x has states and linear Gaussians where it is real.

    Args:
        spec: what x is.
        graph: each column with its parents, [a][b|a][c|a:b].
        pseudo_count: of a table, added to the count of each state; 0 is maximum likelihood.

    Raises:
        JensenError: where the graph is not over the columns of x, or these are neither all real nor all of states.

    >>> model = build(Spec((2,), "real", columns=("a", "b")), graph="[a][b|a]")
    >>> model.log_prob(torch.zeros(1, 2))
    tensor([-1.8379], dtype=torch.float64)
    """
    over, states = graph_over(spec, graph), states_of(spec)
    if not pseudo_count >= 0:
        raise JensenError(f"pseudo_count must be at least 0, got {pseudo_count}: 0 is maximum likelihood")
    return LinearGaussians(spec, over) if states is None else Tables(spec, over, states, pseudo_count)
