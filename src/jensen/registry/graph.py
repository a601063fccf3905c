"""Models of a given directed graph, in the order in which they are listed."""

from jensen.registry.line import Entry

ENTRIES = (
    Entry(
        "dag",
        "a given directed graph: tables, or linear Gaussians",
        "exact",
        "graph",
        "Pearl (1988)",
        "jensen.models.graph.dag:build",
        "jensen.presets.dag:PRESETS",
        objective="maximum likelihood, all at once",
        samples="each node given its parents",
    ),
    Entry(
        "dag-network",
        "a given directed graph: a small network for each node",
        "exact",
        "graph",
        "Bengio and Bengio (2000)",
        "jensen.models.graph.dag_network:build",
        "jensen.presets.dag_network:PRESETS",
        objective="maximum likelihood",
        samples="each node given its parents",
    ),
)
