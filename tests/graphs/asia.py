"""ASIA (Lauritzen and Spiegelhalter 1988), the network of oracle G1."""

from __future__ import annotations

from pathlib import Path

from jensen.graphs import DiscreteNetwork, read_bif

TABLES = {
    "asia": ([], ["0.01, 0.99"]),
    "tub": (["asia"], ["0.05, 0.95", "0.01, 0.99"]),
    "smoke": ([], ["0.5, 0.5"]),
    "lung": (["smoke"], ["0.1, 0.9", "0.01, 0.99"]),
    "bronc": (["smoke"], ["0.6, 0.4", "0.3, 0.7"]),
    "either": (["lung", "tub"], ["1.0, 0.0", "1.0, 0.0", "1.0, 0.0", "0.0, 1.0"]),
    "xray": (["either"], ["0.98, 0.02", "0.05, 0.95"]),
    "dysp": (["bronc", "either"], ["0.9, 0.1", "0.8, 0.2", "0.7, 0.3", "0.1, 0.9"]),
}


def asia_text() -> str:
    """Its .bif file."""
    lines = ["network asia {", "}"]
    for node in TABLES:
        lines += [f"variable {node} {{", "  type discrete [ 2 ] { yes, no };", "}"]
    for node, (parents, rows) in TABLES.items():
        states = [["(yes)", "(no)"], ["(yes, yes)", "(yes, no)", "(no, yes)", "(no, no)"]][len(parents) - 1]
        given = ["table"] if not parents else states
        lines.append(f"probability ( {node}{' | ' if parents else ''}{', '.join(parents)} ) {{")
        lines += [f"  {place} {row};" for place, row in zip(given, rows, strict=True)]
        lines.append("}")
    return "\n".join(lines) + "\n"


def asia(folder: Path) -> DiscreteNetwork:
    """The network, read from its file."""
    path = folder / "asia.bif"
    path.write_text(asia_text())
    return read_bif(path)
