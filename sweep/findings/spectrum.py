"""Describe a trial's error spectrum in sentences: what is learned, and why the rest is not."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sweep.analysis.spectrum import (
    FrontLaw,
    Residue,
    Spectrum,
    Standstill,
    front_law,
    residue,
    standstill,
)
from sweep.catalogue.formats import count, number, percent
from sweep.enums import Loss, Output, Schedule
from sweep.findings.tables import Cell, FindingTable, TableColumn

#: A component that would take more than this many times the trained epochs is not predicted.
_FURTHEST = 100.0
#: Share of the learnable components up to the one whose epoch is predicted.
_LATE = 0.9
#: Error in directions learned long ago is reported from this share of the error on.
_NOTABLE = 0.1
#: It depends on the rate if at most the first share of it is left, and does not from the second on.
_WENT, _STAYED = 0.2, 0.7
#: Dead units explain a front that stopped if they are this share of all, and the live units are at
#: most this many times the components at the front.
_MANY_DEAD, _ENOUGH = 0.2, 2.0


class _Trial(NamedTuple):
    """What the sentences need in addition to a trial's spectrum."""

    config: Mapping[str, Any]
    #: Share of dead units; None if it is unknown.
    dead_share: float | None

    @property
    def schedule(self) -> str:
        return str(self.config.get("lr_schedule", Schedule.CONSTANT))

    @property
    def width(self) -> int:
        return int(self.config.get("hidden_width", 0))

    @property
    def is_sigmoid(self) -> bool:
        return self.config.get("output_activation") == Output.SIGMOID

    @property
    def wants_the_mean(self) -> bool:
        """Whether the loss is minimal at the pixels themselves, and nothing pulls the weights."""
        is_squared = self.config.get("loss") == Loss.MSE
        return is_squared and not self.config.get("weight_decay")


def spectrum_sentences(
    spectrum: Spectrum | None,
    config: Mapping[str, Any],
    diagnostics: Mapping[str, float] | None = None,
) -> list[str]:
    """Describe what a trial has learned, how fast, and what its spectrum shows about the rest."""
    if spectrum is None:
        return []
    trial = _Trial(config, None if diagnostics is None else diagnostics.get("dead_share"))
    law, stands = front_law(spectrum, trial.schedule), standstill(spectrum, trial.schedule)
    said = (
        front_sentence(spectrum),
        _law(spectrum, law, trial) if law else "",
        _standstill(stands, trial) if stands else "",
        _residue(residue(spectrum, trial.schedule), trial),
    )
    return [sentence for sentence in said if sentence]


def front_sentence(spectrum: Spectrum) -> str:
    """Say which principal components are half learned after the last epoch."""
    after, of = count(spectrum.last_epoch, "epoch"), f"{spectrum.n_components:,}"
    if spectrum.is_unlearned:
        return f"After {after} not even the widest principal components are half learned."
    front = spectrum.last_front
    if front is None or not spectrum.holds(front):
        return f"After {after} nearly all of the {of} principal components are half learned."
    return (
        f"After {after} half of the variance along principal component {front.component:.0f} of "
        f"{of} is learned: more along those before it, less along those after."
    )


def _law(spectrum: Spectrum, law: FrontLaw, trial: _Trial) -> str:
    said = (
        f"Half of a component is learned after about {number(law.constant, 2)}/λ epochs, where λ "
        f"is the variance along it (epochs {law.first} to {law.last})"
    )
    front, reach = spectrum.last_front, min(trial.width, spectrum.bands[-1].first)
    component = round(_LATE * reach)
    epochs = law.epochs(spectrum.variance_of(component))
    is_ahead = front is not None and component > 1.1 * front.component
    if not is_ahead or epochs > _FURTHEST * spectrum.last_epoch:
        return f"{said}."
    return f"{said}: component {component:,} would take about {number(epochs, 2)}."


def _standstill(found: Standstill, trial: _Trial) -> str:
    component = found.front.component
    said = f"The front has been at component {component:.0f} since epoch {found.since}"
    dead = trial.dead_share or 0.0
    alive = round((1.0 - dead) * trial.width)
    if dead >= _MANY_DEAD and alive <= _ENOUGH * component:
        return f"{said}: {percent(dead)} of the units are dead, which leaves {alive:,}."
    if dead < _MANY_DEAD and component >= 0.5 * trial.width:
        return f"{said}: the capacity of its {count(trial.width, 'unit')}."
    return f"{said}; more epochs at this learning rate hardly move it."


def _residue(found: Residue | None, trial: _Trial) -> str:
    """Distinguish jitter from an output that cannot reach the pixels, if the rate allows it."""
    if found is None:
        return ""
    widest = f"the {count(found.last_component, 'widest component')}"
    if found.last_component == 1:
        widest = "the widest component"
    if trial.schedule == Schedule.COSINE:
        if found.share_before >= _NOTABLE and found.kept <= _WENT:
            return (
                f"Error in {widest} fell to {percent(found.kept)} as the learning rate fell to 0: "
                f"it was jitter of the steps, {percent(found.share_before)} of the error before."
            )
        if found.share >= _NOTABLE and found.kept >= _STAYED and trial.is_sigmoid:
            return (
                f"{percent(found.share)} of the error is in {widest} and did not fall with the "
                "learning rate: values that the sigmoid output does not reach, not jitter."
            )
        return ""
    if trial.schedule != Schedule.CONSTANT:
        return ""
    if found.share < _NOTABLE or found.kept < _STAYED:
        return ""
    said = f"{percent(found.share)} of the error is in {widest}, learned early, and falls no more"
    if trial.is_sigmoid:
        return (
            f"{said}: jitter of steps at a constant learning rate, or values that the sigmoid "
            'output does not reach; a rate that falls to 0 (`lr_schedule = "cosine"`) shows which.'
        )
    if trial.wants_the_mean:
        return (
            f"{said}: jitter of steps at a constant learning rate, which one that falls to 0 "
            '(`lr_schedule = "cosine"`) removes.'
        )
    return ""


_VALUES = {
    "black": "exactly 0",
    "between": "between",
    "white": "exactly 1",
}


def pixel_table(found: Mapping[str, float] | None) -> FindingTable:
    """Tabulate the pixels and the test error by pixel value; means over the seeds."""
    return FindingTable(
        title="Error by pixel value",
        columns=(
            TableColumn("pixels", "pixels"),
            TableColumn("pixel_share", "share of the pixels", is_number=True),
            TableColumn("error_share", "share of the error", is_number=True),
        ),
        rows=[] if found is None else [_pixel_row(found, name) for name in _VALUES],
    )


def _pixel_row(found: Mapping[str, float], name: str) -> Sequence[Cell]:
    shares = (_share(found, name, of) for of in ("pixels", "error"))
    return (Cell(_VALUES[name], name), *(Cell(percent(of, 1), of) for of in shares))


def _share(found: Mapping[str, float], name: str, of: str) -> float:
    if name == "between":
        return max(0.0, 1.0 - found[f"black_{of}"] - found[f"white_{of}"])
    return found[f"{name}_{of}"]
