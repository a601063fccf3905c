"""A question that can be passed, failed, or not asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch

# A correct answer is further off than so many standard errors less than once in 100,000 comparisons.
ERRORS = 5.0


class Fault(Exception):
    """A check that fails; the text is a sentence that names the likely mistake."""


class Unexplained(Fault):
    """A check that fails by figures, given as the text, that no known mistake gives."""


class Undecided(Exception):
    """A check that cannot be made; the text says why."""


@dataclass(frozen=True)
class Question:
    """`ask` returns what was found, or raises Fault or Undecided."""

    text: str
    ask: Callable[[], str]


@dataclass(frozen=True)
class Check:
    """A question and its answer.

    of: "elbo", "posterior", ... passed: None where the question could not be asked. said: the figure, the likely
    mistake, or why not.
    """

    of: str
    question: str
    passed: bool | None
    said: str


def answers(of: str, questions: Iterable[Question], seed: int) -> Iterator[Check]:
    """Asks in order, each under the same seed; where the first, about shapes, fails, the others would repeat it."""
    passed: bool | None
    failed = False
    for number, question in enumerate(questions):
        torch.manual_seed(seed)
        try:
            passed, said = True, question.ask()
        except Undecided as reason:
            passed, said = None, str(reason)
        except Unexplained as figures:
            known = "may follow from what failed above" if failed else "none of the usual mistakes alone explains it"
            passed, said = False, f"{known} ({figures})"
        except Fault as fault:
            passed, said = False, str(fault)
        except Exception as error:  # the user's own code may raise anything
            passed, said = False, f"raised {type(error).__name__}: {' '.join(str(error).split()) or 'no message'}"
        failed |= passed is False
        yield Check(of, question.text, passed, said)
        if number == 0 and not passed:
            return
