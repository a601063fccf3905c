"""A given directed graph of variables with states, each conditional a small network of the parents.

Source: Bengio and Bengio (2000), Modeling High-Dimensional Discrete Data with Multi-Layer Neural Networks, whose graph
is complete; here it is given.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import networkx as nx
import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor, nn
from torch.nn import functional

from jensen.data.spec import Spec
from jensen.distributions.heads import full_precision
from jensen.errors import JensenError
from jensen.graphs.fitting import uniform
from jensen.graphs.network import DiscreteNetwork
from jensen.models.graph.columns import graph_over, states_of
from jensen.nets import mlp
from jensen.nets.masked import MaskedLinear


class Networks(nn.Module):
    """p(x) = ∏_i softmax(f_i(x_pa(i)))[x_i], f_i a multilayer perceptron of the indicators of the parents' states.

    All f_i lie side by side in one network whose masks keep them apart: a hidden unit belongs to one node, sees the
    indicators of that node's parents, and is seen by that node alone.

    Args:
        spec: what x is.
        graph: over its entries, in their order.
        states: of each entry.
        hidden: the width of each hidden layer of each f_i.
        activation: the name of the nonlinearity.
    """

    exists: Tensor

    def __init__(
        self,
        spec: Spec,
        graph: nx.DiGraph,
        states: Mapping[str, tuple[str, ...]],
        *,
        hidden: tuple[int, ...],
        activation: mlp.Activation,
    ) -> None:
        super().__init__()
        self.spec, self.graph, self.states = spec, graph, states
        sizes = [len(states[node]) for node in graph]
        self.levels = max(sizes)
        # Nodes of fewer states have outputs that stand for none.
        exists = torch.arange(self.levels) < torch.tensor(sizes)[:, None]
        self.register_buffer("exists", exists, persistent=False)
        sees = torch.from_numpy(nx.to_numpy_array(graph).T > 0)  # node i its parents j
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise((self.levels, *hidden, self.levels)):
            layers += [_side_by_side(sees, inputs, outputs), mlp.activation(activation)]
            sees = torch.eye(len(sizes), dtype=torch.bool)
        self.net = nn.Sequential(*layers[:-1])

    def logits(self, rows: Int64[Tensor, "batch nodes"]) -> Float[Tensor, "batch nodes states"]:
        """log p(each state of x_i | x_pa(i)), (B, nodes, states); -inf where a node has fewer states."""
        indicators = functional.one_hot(rows, self.levels).to(next(self.parameters()).dtype)
        raw = full_precision(self.net(indicators.flatten(1))).unflatten(1, (-1, self.levels))
        return raw.masked_fill(~self.exists, -torch.inf).log_softmax(-1)

    def log_prob(self, x: Shaped[Tensor, "batch *event"]) -> Float[Tensor, "batch"]:
        """log p(x) in nats: (N, *event) -> (N,)."""
        rows = x.flatten(1).long()
        return self.logits(rows).gather(2, rows[..., None])[..., 0].sum(1)

    @torch.no_grad()
    def sample(self, num_samples: int) -> Shaped[Tensor, "num_samples *event"]:
        """All nodes whose parents are there, then those whose parents are these: (N, *event), of the data's type."""
        place = {node: number for number, node in enumerate(self.graph)}
        rows = torch.zeros(num_samples, len(place), dtype=torch.int64, device=self.exists.device)
        for generation in nx.topological_generations(self.graph):
            places = [place[node] for node in generation]
            drawn = self.logits(rows)[:, places].exp().flatten(0, 1).multinomial(1)
            rows[:, places] = drawn.view(num_samples, len(places))
        whole = self.spec.kind in ("8-bit", "categorical")
        return rows.to(torch.int64 if whole else torch.get_default_dtype()).view(num_samples, *self.spec.event_shape)

    @torch.no_grad()
    def initialize(self, x: Shaped[Tensor, "batch *event"]) -> None:
        """Starts each f_i at the shares of the states of x_i, each counted once more than it occurs."""
        counts = functional.one_hot(x.flatten(1).long(), self.levels).sum(0) + 1
        self.net[-1].bias.copy_((counts / len(x)).log().flatten())  # type: ignore[operator]

    @torch.no_grad()
    def network(self) -> DiscreteNetwork:
        """The network of tables that says the same, which can be asked and written.

        Raises:
            JensenError: where a node has too many parents for a table.
        """
        tables = uniform(self.graph, self.states).tables
        place = {node: number for number, node in enumerate(self.graph)}
        for node, table in tables.items():
            given = torch.tensor(list(np.ndindex(*table.shape[:-1])), dtype=torch.int64, device=self.exists.device)
            rows = given.new_zeros(len(given), len(place))
            rows[:, [place[parent] for parent in self.graph.predecessors(node)]] = given
            p = torch.cat([self.logits(part)[:, place[node]].double().exp() for part in rows.split(4096)])
            found = p[:, : table.shape[-1]].cpu().numpy()
            table[...] = (found / found.sum(1, keepdims=True)).reshape(table.shape)
        return DiscreteNetwork(self.graph, self.states, tables)


def _side_by_side(sees: Bool[Tensor, "nodes nodes"], inputs: int, outputs: int) -> MaskedLinear:
    """Linear layers of each node from `inputs` numbers of each node that it sees to `outputs` numbers of its own."""
    layer = MaskedLinear(sees.repeat_interleave(outputs, 0).repeat_interleave(inputs, 1))
    with torch.no_grad():  # each as if it stood alone
        reach = (sees.sum(1).clamp_min(1) * inputs).repeat_interleave(outputs)
        layer.weight *= (layer.in_features / reach).sqrt()[:, None]
    return layer


def build(
    spec: Spec, *, graph: str = "", hidden: tuple[int, ...] = (16,), activation: mlp.Activation = "relu"
) -> Networks:
    """A given graph over bits or categories, with a small network for each node.

    Args:
        spec: what x is.
        graph: each column with its parents, [a][b|a][c|a:b].
        hidden: the width of each hidden layer of each network.
        activation: the name of the nonlinearity.

    Raises:
        JensenError: where the graph is not over the columns of x, or these have no states.

    >>> model = build(Spec((2,), "binary", levels=2), graph="[0][1|0]")
    >>> model.log_prob(model.sample(5)).shape
    torch.Size([5])
    """
    over, states = graph_over(spec, graph), states_of(spec)
    if states is None:
        raise JensenError("dag-network is of columns with states, got real ones: choose dag, or cut them into bins")
    if any(width < 1 for width in hidden):
        raise JensenError(f"a layer needs a width of at least 1, got {hidden}: mend hidden")
    return Networks(spec, over, states, hidden=hidden, activation=activation)
