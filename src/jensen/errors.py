"""What jensen says when something is wrong: what was expected, what came, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class JensenError(ValueError):
    """A mistake that the user can mend; its text is one line that names the remedy."""


def unknown(what: str, name: str, valid: Iterable[str]) -> JensenError:
    """The error for a name that does not exist, with the nearest that does.

    >>> print(unknown("model", "vea", ["vae", "made"]))
    unknown model 'vea': did you mean 'vae'? (valid: made, vae)
    """
    names = sorted(valid)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return JensenError(f"unknown {what} '{name}': {hint}(valid: {', '.join(names)})")
