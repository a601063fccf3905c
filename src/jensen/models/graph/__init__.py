"""Models of a given directed graph."""
