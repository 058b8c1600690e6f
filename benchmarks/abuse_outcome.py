"""Inputs and outcomes that the parts of benchmarks.abuse share."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

SLOW_SECONDS = 5.0


@dataclass(kw_only=True)
class Outcome:
    """Result of the inputs of one kind."""

    inputs: int = 0
    #: One line for each wrong answer; it begins with the number that ``--only`` takes.
    wrong: list[str] = field(default_factory=list)
    #: Counts of each status, exit code or exception.
    answers: Counter[str] = field(default_factory=Counter)
    longest_seconds: float = 0.0
    most_bytes: int = 0

    def add(self, number: int, answer: str, seconds: float, wrong: str | None = None) -> None:
        """Count an input; ``wrong`` is the fault of its answer."""
        self.inputs += 1
        self.answers[answer] += 1
        self.longest_seconds = max(self.longest_seconds, seconds)
        if wrong is None and seconds > SLOW_SECONDS:
            wrong = f"took {seconds:.1f} s"
        if wrong is not None:
            self.wrong.append(f"{number}: {answer}: {wrong}")

    @property
    def n_errors_500(self) -> int:
        """Number of answers with status 500, which a server gives for a bug of its own."""
        return sum(n for answer, n in self.answers.items() if answer == "500")


class Task(NamedTuple):
    """Inputs of one kind to try."""

    numbers: range
    seed: int
    folder: Path
    deadline: float

    def random(self, number: int) -> random.Random:
        """Return the random generator of one input."""
        return random.Random(f"{self.seed} {number}")

    def __iter__(self) -> Iterator[int]:  # type: ignore[override]
        for number in self.numbers:
            if time.monotonic() > self.deadline:
                return
            yield number
