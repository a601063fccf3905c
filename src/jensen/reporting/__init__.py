"""What a person looks at: figures, and the page that holds a run."""

from jensen.reporting.page import report

__all__ = ["report"]
