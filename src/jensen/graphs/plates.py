"""Plates: a graph that is repeated, written once. What it stands for, and four models written in it.

Source: Buntine (1994), Operations for learning with graphical models.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import networkx as nx

from jensen.errors import JensenError, unknown


@dataclass(frozen=True)
class Variable:
    """A node of a template.

    Attributes:
        kind: "latent", "observed", or "constant", which has no distribution.
        at: (column, row) where it is drawn, rows counted downwards.
        plates: those that it stands on, outer ones first; there is one copy for each of their indices.
        label: how it is drawn, in TeX.
    """

    kind: Literal["latent", "observed", "constant"]
    at: tuple[float | int, float | int]
    plates: tuple[str, ...]
    label: str


@dataclass(frozen=True)
class PlateModel:
    """A directed graph whose nodes stand on plates.

    Attributes:
        title: what it is called.
        variables: by name.
        edges: (a, b) where b depends on a.
        factors: how it reads, in TeX: p of each variable.

    Errors: an edge of a variable that is not there.
    """

    title: str
    variables: Mapping[str, Variable]
    edges: tuple[tuple[str, str], ...]
    factors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in itertools.chain.from_iterable(self.edges):
            if name not in self.variables:
                raise unknown("variable", name, self.variables)

    @property
    def plates(self) -> tuple[str, ...]:
        """Every plate, in the order in which the variables name them."""
        return tuple(dict.fromkeys(plate for variable in self.variables.values() for plate in variable.plates))


def unroll(model: PlateModel, **sizes: int) -> nx.DiGraph:
    """The graph that the plates stand for: x[i] depends on every z[j] that has the same index on each plate they share.

    Args:
        model: the template.
        sizes: the copies on each plate, by its name.

    Errors: a plate without a size, a size without a plate, fewer than one copy, a cycle.

    >>> sorted(unroll(vae(), N=2).edges)
    [('theta', 'x[1]'), ('theta', 'x[2]'), ('z[1]', 'x[1]'), ('z[2]', 'x[2]')]
    """
    for plate in sizes:
        if plate not in model.plates:
            raise unknown("plate", plate, model.plates)
    for plate in model.plates:
        if sizes.get(plate, 0) < 1:
            raise JensenError(f"plate {plate} wants at least one copy, got {sizes.get(plate, 'none')}: give {plate}=2")
    copies = {name: _copies(variable.plates, sizes) for name, variable in model.variables.items()}
    graph: nx.DiGraph = nx.DiGraph()
    for name, found in copies.items():
        graph.add_nodes_from((_named(name, index) for index in found), kind=model.variables[name].kind)
    for a, b in model.edges:
        for one, other in itertools.product(copies[a], copies[b]):
            if all(other.get(plate, place) == place for plate, place in one.items()):
                graph.add_edge(_named(a, one), _named(b, other))
    if not nx.is_directed_acyclic_graph(graph):
        raise JensenError(f"{model.title} has a cycle: leave out one of its edges")
    return graph


def _copies(plates: tuple[str, ...], sizes: Mapping[str, int]) -> list[dict[str, int]]:
    places = itertools.product(*(range(1, sizes[plate] + 1) for plate in plates))
    return [dict(zip(plates, place, strict=True)) for place in places]


def _named(name: str, index: Mapping[str, int]) -> str:
    return f"{name}[{','.join(map(str, index.values()))}]" if index else name


def gaussian_mixture() -> PlateModel:
    """A mixture of K Gaussians: weights, means and covariances are parameters."""
    return PlateModel(
        "Gaussian mixture",
        {
            "pi": Variable("constant", (0, 0), (), r"$\pi$"),
            "mu": Variable("constant", (2.4, 0.7), ("K",), r"$\mu_k$"),
            "Sigma": Variable("constant", (2.4, 1.5), ("K",), r"$\Sigma_k$"),
            "z": Variable("latent", (1.1, 0), ("N",), r"$z_n$"),
            "x": Variable("observed", (1.1, 1.1), ("N",), r"$x_n$"),
        },
        (("pi", "z"), ("z", "x"), ("mu", "x"), ("Sigma", "x")),
        (r"$z_n \sim \mathrm{Cat}(\pi)$", r"$x_n \sim \mathcal{N}(\mu_{z_n}, \Sigma_{z_n})$"),
    )


def bayesian_gaussian_mixture() -> PlateModel:
    """The same with random parameters (Bishop 2006, section 10.2)."""
    return PlateModel(
        "Bayesian Gaussian mixture",
        {
            "alpha": Variable("constant", (-1.1, 0), (), r"$\alpha_0$"),
            "pi": Variable("latent", (0, 0), (), r"$\pi$"),
            "z": Variable("latent", (1.1, 0), ("N",), r"$z_n$"),
            "x": Variable("observed", (1.1, 1.1), ("N",), r"$x_n$"),
            "mu": Variable("latent", (2.5, 0.6), ("K",), r"$\mu_k$"),
            "Lambda": Variable("latent", (2.5, 1.6), ("K",), r"$\Lambda_k$"),
            "m0": Variable("constant", (3.7, 0.35), (), r"$m_0$"),
            "beta0": Variable("constant", (3.7, 0.85), (), r"$\beta_0$"),
            "W0": Variable("constant", (3.7, 1.35), (), r"$W_0$"),
            "nu0": Variable("constant", (3.7, 1.85), (), r"$\nu_0$"),
        },
        (
            ("alpha", "pi"), ("pi", "z"), ("z", "x"), ("mu", "x"), ("Lambda", "x"), ("Lambda", "mu"),
            ("m0", "mu"), ("beta0", "mu"), ("W0", "Lambda"), ("nu0", "Lambda"),
        ),
        (
            r"$\pi \sim \mathrm{Dir}(\alpha_0)$",
            r"$\Lambda_k \sim \mathcal{W}(W_0, \nu_0)$",
            r"$\mu_k \sim \mathcal{N}(m_0, (\beta_0 \Lambda_k)^{-1})$",
            r"$z_n \sim \mathrm{Cat}(\pi)$",
            r"$x_n \sim \mathcal{N}(\mu_{z_n}, \Lambda_{z_n}^{-1})$",
        ),
    )  # fmt: skip


def lda() -> PlateModel:
    """Latent Dirichlet allocation (Blei, Ng & Jordan 2003), with random topics."""
    return PlateModel(
        "Latent Dirichlet allocation",
        {
            "alpha": Variable("constant", (0, 0), (), r"$\alpha$"),
            "theta": Variable("latent", (1.1, 0), ("D",), r"$\theta_d$"),
            "z": Variable("latent", (2.3, 0), ("D", "N"), r"$z_{dn}$"),
            "w": Variable("observed", (3.4, 0), ("D", "N"), r"$w_{dn}$"),
            "phi": Variable("latent", (4.9, 0), ("K",), r"$\phi_k$"),
            "beta": Variable("constant", (6.0, 0), (), r"$\beta$"),
        },
        (("alpha", "theta"), ("theta", "z"), ("z", "w"), ("phi", "w"), ("beta", "phi")),
        (
            r"$\theta_d \sim \mathrm{Dir}(\alpha)$",
            r"$\phi_k \sim \mathrm{Dir}(\beta)$",
            r"$z_{dn} \sim \mathrm{Cat}(\theta_d)$",
            r"$w_{dn} \sim \mathrm{Cat}(\phi_{z_{dn}})$",
        ),
    )


def vae() -> PlateModel:
    """A variational autoencoder's generative model (Kingma & Welling 2014); theta are the decoder's weights."""
    return PlateModel(
        "Variational autoencoder",
        {
            "z": Variable("latent", (0, 0), ("N",), r"$z_n$"),
            "x": Variable("observed", (0, 1.1), ("N",), r"$x_n$"),
            "theta": Variable("constant", (1.3, 1.1), (), r"$\theta$"),
        },
        (("z", "x"), ("theta", "x")),
        (r"$z_n \sim \mathcal{N}(0, I)$", r"$x_n \sim p_\theta(x \mid z_n)$"),
    )


PLATE_MODELS = {
    "gaussian-mixture": gaussian_mixture,
    "bayesian-gaussian-mixture": bayesian_gaussian_mixture,
    "lda": lda,
    "vae": vae,
}
