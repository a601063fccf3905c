"""Where the PC algorithm goes wrong, though every test of it is right: an exclusive or, and a hidden common cause."""

import numpy as np

from jensen.graphs import Discovery, FisherZ, GSquared, pc

draws = np.random.default_rng(0)


def say(title: str, found: Discovery) -> None:
    arrows = [f"{a} -> {b}" for a, b in sorted(found.graph.directed)]
    lines = [" - ".join(sorted(edge)) for edge in found.graph.undirected]
    print(f"{title}: {', '.join(arrows + lines) or 'no edge at all'}")
    for a, c, b in sorted(found.contradicted):
        print(f"  contradicts another collider: {a} -> {c} <- {b}")


a, b = draws.integers(2, size=(2, 2000))
coins = GSquared({"a": a, "b": b, "c": a ^ b})
print("c = a xor b")
print("  p-value of a independent of c:         {:.2f}".format(*coins.p_values("a", ["c"])))
print("  p-value of a independent of c given b: {:.1g}".format(*coins.p_values("a", ["c"], ["b"])))
say("PC, which asks of pairs first", pc(coins))

a, b, h, of_x, of_y = draws.normal(size=(5, 2000))
rows = {"a": a, "b": b, "x": a + h + 0.5 * of_x, "y": b + h + 0.5 * of_y}
print("a -> x <- h -> y <- b")
say("PC with h  ", pc(FisherZ(rows | {"h": h}), alpha=1e-3))
say("PC without h", pc(FisherZ(rows), alpha=1e-3))
