"""Worked figures: each a claim of the docs, its numbers and its picture.

    python -m benchmarks.figures NAME --out DIR

A module here has `compute(tiny)`, `table(found)` and `draw(found)`.
"""
