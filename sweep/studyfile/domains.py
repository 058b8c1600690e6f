"""Domains of searched settings, with Optuna's names for the fields."""

from dataclasses import dataclass
from decimal import Decimal

from sweep.catalogue.settings import Value


@dataclass(frozen=True, kw_only=True)
class Float:
    """A range of real numbers, both ends included."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def contains(self, value: Value) -> bool:
        """Return whether the value is in the range, and on its steps if it has steps."""
        if isinstance(value, str) or not self.low <= value <= self.high:
            return False
        return self.step is None or _on_step(value - self.low, self.step)

    def count(self) -> int | None:
        """Return how many values there are; None if they cannot be counted."""
        if self.step is None:
            return None
        return round((self.high - self.low) / self.step) + 1

    def at(self, index: int) -> Value:
        """Return the value at this index of a grid."""
        # In decimals, so that 0.1 + 2 * 0.1 is 0.3.
        return float(Decimal(str(self.low)) + Decimal(str(self.step)) * index)


@dataclass(frozen=True, kw_only=True)
class Int:
    """A range of whole numbers, both ends included."""

    low: int
    high: int
    log: bool = False
    step: int = 1

    def contains(self, value: Value) -> bool:
        """Return whether the value is in the range, and on its steps."""
        if not isinstance(value, int) or isinstance(value, bool):
            return False
        return self.low <= value <= self.high and (value - self.low) % self.step == 0

    def count(self) -> int:
        """Return how many values there are."""
        return (self.high - self.low) // self.step + 1

    def at(self, index: int) -> Value:
        """Return the value at this index of a grid."""
        return self.low + index * self.step


@dataclass(frozen=True, kw_only=True)
class Categorical:
    """A list of values without order."""

    choices: tuple[Value, ...]

    def contains(self, value: Value) -> bool:
        """Tell whether the value is one of the choices."""
        return value in self.choices

    def count(self) -> int:
        """Return how many choices there are."""
        return len(self.choices)

    def at(self, index: int) -> Value:
        """Return the choice at this index."""
        return self.choices[index]


Domain = Float | Int | Categorical


def _on_step(distance: float, step: float) -> bool:
    steps = distance / step
    return abs(steps - round(steps)) < 1e-8
