"""Chart which kinds of image are reproduced worse than others."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from sweep.analysis.study_reader import StudyReader
from sweep.analysis.verdict import Verdict, baseline_number, best_number
from sweep.figures import style
from sweep.figures.figure import Columns, Figure, ReportSection, Tab, Trials, stack
from sweep.store.records import TrialRow


class ClassErrors(NamedTuple):
    """Test error of each class, for one or more trials."""

    classes: list[str]
    #: Label of the trial -> errors in the order of ``classes``.
    mse: dict[str, list[float]]
    #: By the label of the trial.
    colours: dict[str, str]


def gather_classes(
    trials: Mapping[str, TrialRow], class_names: Sequence[str] = (), baseline: int | None = None
) -> ClassErrors:
    """Gather trials' errors by label; the class with the first trial's largest error comes first.

    ``baseline`` is the number of the study's baseline.
    """
    colours = style.trial_colours([row.number for row in trials.values()], baseline)
    measured = {label: row.per_class_mse for label, row in trials.items() if row.per_class_mse}
    n_classes = max((len(errors) for errors in measured.values()), default=0)
    names = list(class_names) if len(class_names) == n_classes else list(map(str, range(n_classes)))
    first = next(iter(measured.values()), ())
    order = sorted(range(len(first)), key=lambda place: -first[place])
    return ClassErrors(
        classes=[names[place] for place in order],
        mse={label: [errors[place] for place in order] for label, errors in measured.items()},
        colours={label: colours[trials[label].number] for label in measured},
    )


def draw_classes(errors: ClassErrors) -> go.Figure:
    """Draw grouped bars."""
    drawn = style.figure(y="test_mse", height=400)
    for label, mse in errors.mse.items():
        name = style.escape(label)
        drawn.add_bar(
            x=[*map(style.escape, errors.classes)],
            y=mse,
            name=name,
            marker={"color": errors.colours[label]},
            hovertemplate=f"%{{x}}: %{{y:.4g}}<extra>{name}</extra>",
        )
    return drawn.update_layout(barmode="group", bargap=0.3, showlegend=True)


def _gather(reader: StudyReader, trials: Trials = ()) -> ClassErrors | None:
    """Test error by class of image, of the best trial and the baseline, or of ``trials``."""
    if trials:
        best = best_number(reader.table)
        rows = {
            f"the best (trial {row.number})" if row.number == best else f"trial {row.number}": row
            for row in reader.trials(trials)
        }
    else:
        rows = _best_and_baseline(reader.compared)
    names = reader.record.class_names
    errors = gather_classes(rows, names, baseline_number(reader.table))
    return errors if errors.classes else None


def _best_and_baseline(found: Verdict | None) -> dict[str, TrialRow]:
    if found is None:
        return {}
    rows = {f"best (trial {found.best.number})": found.best}
    if found.baseline is not None and found.baseline.number != found.best.number:
        rows[f"baseline (trial {found.baseline.number})"] = found.baseline
    return rows


def _rows(errors: ClassErrors) -> Columns:
    return stack(
        *(
            {"trial": label, "class": errors.classes, "test_mse": mse}
            for label, mse in errors.mse.items()
        )
    )


def _describe(errors: ClassErrors) -> str:
    first = next(iter(errors.mse.values()))
    ratio = f"{first[0] / first[-1]:.1f} times the error of {errors.classes[-1]}"
    return f"{errors.classes[0]} has the worst copies, with {ratio}" if first[-1] else ""


FIGURE = Figure(
    name="classes",
    question="Which kinds of image are reproduced worse than others?",
    title="Error of each kind of image",
    needs="a trial measured by class",
    gather=_gather,
    draw=draw_classes,
    rows=_rows,
    finding=_describe,
    section=ReportSection.PICTURES,
    pages=(Tab.TRIAL, Tab.COMPARE),
)
