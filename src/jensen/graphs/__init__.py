"""Directed graphs and what they say: separation, tables, queries, fits."""

from jensen.graphs.bif import bif_text, read_bif, read_graph, write_bif
from jensen.graphs.discovery import ASSUMPTIONS, Discovery, pc
from jensen.graphs.elimination import log_evidence, query
from jensen.graphs.equivalence import (
    PartiallyDirected,
    class_size,
    cpdag,
    equivalent,
    structural_hamming_distance,
    v_structures,
)
from jensen.graphs.fitting import LinearGaussian, fit_linear_gaussian, fit_tables
from jensen.graphs.independence import ChiSquare, FisherZ, GSquared, IndependenceTest, Oracle
from jensen.graphs.network import DiscreteNetwork, factorisation, graph_of, structure
from jensen.graphs.plates import PLATE_MODELS, PlateModel, Variable, unroll
from jensen.graphs.separation import (
    Trail,
    active_trail,
    d_separated,
    markov_blanket,
    minimal_separator,
    moral_graph,
)

__all__ = [
    "ASSUMPTIONS",
    "PLATE_MODELS",
    "ChiSquare",
    "Discovery",
    "DiscreteNetwork",
    "FisherZ",
    "GSquared",
    "IndependenceTest",
    "LinearGaussian",
    "Oracle",
    "PartiallyDirected",
    "PlateModel",
    "Trail",
    "Variable",
    "active_trail",
    "bif_text",
    "class_size",
    "cpdag",
    "d_separated",
    "equivalent",
    "factorisation",
    "fit_linear_gaussian",
    "fit_tables",
    "graph_of",
    "log_evidence",
    "markov_blanket",
    "minimal_separator",
    "moral_graph",
    "pc",
    "query",
    "read_bif",
    "read_graph",
    "structural_hamming_distance",
    "structure",
    "unroll",
    "v_structures",
    "write_bif",
]
