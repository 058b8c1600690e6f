"""Let people write through the dashboard: the functions and the forms.

The functions are those of the CLI's commands. Forms and their callbacks exist only with
``view.allow_edit``: without it nothing in the application can write.
"""

import shlex
from collections.abc import Callable, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx, html, no_update

from sweep.catalogue.settings import by_setting
from sweep.coordinator.requests import request, request_trial
from sweep.dashboard.links import StudyPlace, TrialPlace, trial_number
from sweep.dashboard.parts import cards, variation
from sweep.dashboard.parts.attributes import attributes
from sweep.dashboard.parts.findings import finding_table
from sweep.dashboard.parts.remarks import remarks
from sweep.dashboard.view import View
from sweep.enums import CommandKind, StudyPhase
from sweep.errors import StudyFileError, UsageError
from sweep.findings.activity import command_table
from sweep.store import annotate, commands
from sweep.store.records import CommandRow, StudySummary, TrialRow
from sweep.studyfile import StudyFile, loads

# --- what is written, each with the sentence that confirms it -------------------------------------


def write_note(view: View, name: str, number: int | None, text: str | None) -> str:
    """Write a note on the study, or on one of its trials; return the message."""
    if not (text or "").strip():
        raise UsageError("the note is empty.")
    annotate.note(view.engine, name, str(text).strip(), number)
    return f"Note added to {_target(name, number)}."


def add_tag(view: View, name: str, number: int | None, tag: str | None) -> str:
    """Add a tag to the study, or to one of its trials; return the message."""
    tag = (tag or "").strip()
    new = annotate.tag(view.engine, name, tag, number)
    return f"{_target(name, number)} is tagged “{tag}”{'' if new else ' already'}."


def take_tag_off(view: View, name: str, number: int | None, tag: str) -> str:
    """Remove a tag, whether it was there or not; return the message."""
    annotate.untag(view.engine, name, tag, number)
    return f"{_target(name, number)} no longer has the tag “{tag}”."


def mark_invalid(view: View, name: str, number: int, reason: str | None) -> str:
    """Exclude a trial from best, sampling and analysis."""
    annotate.invalidate(view.engine, name, number, (reason or "").strip() or None)
    return f"{_target(name, number)} is excluded."


def count_again(view: View, name: str, number: int) -> str:
    """Include a trial again; a running study notices it within a second."""
    annotate.validate(view.engine, name, number)
    return f"{_target(name, number)} counts again."


def enqueue(view: View, name: str, given: variation.Texts) -> str:
    """Run the form's configuration next.

    Raises StudyFileError with everything that is wrong in it.
    """
    configuration = variation.chosen_configuration(_study_file(view, name).space, given)
    if not configuration:
        raise StudyFileError(name, ["nothing is chosen: fill in at least one setting."])
    request_trial(view.study(name), configuration)
    return f"Enqueued. {_fate(view.study(name).summary())}"


def ask(view: View, name: str, kind: CommandKind) -> str:
    """Pause, stop or continue. Raises UsageError if no coordinator runs the study."""
    study = view.study(name).summary()
    if not study.running:
        raise UsageError(
            f"{kind.value}: no coordinator runs study '{name}' now. "
            f"Continue it: sweep resume {shlex.quote(name)}"
        )
    request(view.study(name), kind)
    return f"{_REQUESTED}{kind.value}. {_fate(study)}"


#: The message about a request, which goes when the request is applied, begins so.
_REQUESTED = "Requested: "


def cancel(view: View, name: str, command_id: int) -> str:
    """Withdraw a pending command. Raises UsageError if it is not pending any more."""
    if not commands.cancel(view.engine, view.study(name).key, command_id):
        raise UsageError("this command is not pending any more.")
    return "Cancelled."


def _fate(study: StudySummary) -> str:
    if study.running:
        return "The coordinator applies it within a second."
    return f"It waits for a coordinator: sweep resume {shlex.quote(study.name)}"


def _target(name: str, number: int | None) -> str:
    return f"Study {name}" if number is None else f"Trial {number}"


def _study_file(view: View, name: str) -> StudyFile:
    text = view.study(name).record().study_file
    return loads(text, f"study '{name}'", check_packages=False)


# --- forms ----------------------------------------------------------------------------------------


def confirmation_place() -> Any:
    """Lay out the place for the confirmation of what was written."""
    return html.Div(id="told", role="status", className="told")


def remark_forms() -> Any:
    """Lay out the forms for a note and a tag on the page's study or trial."""
    return html.Div(
        [
            dmc.Textarea(
                id="note-text",
                placeholder="Write a note",
                autosize=True,
                minRows=2,
                **attributes(aria_label="Note"),
            ),
            html.Button("Save note", id="note-save", className="plain"),
            dmc.TextInput(id="tag-text", placeholder="Add a tag", **attributes(aria_label="Tag")),
            html.Button("Add tag", id="tag-save", className="plain"),
        ],
        className="remark-forms",
    )


def trial_controls(view: View, name: str, trial: TrialRow) -> Any:
    """Lay out forms to enqueue a variation and to mark as invalid.

    None if writing is not allowed.
    """
    if not view.allow_edit:
        return None
    return html.Div(
        [_variation(view, name, trial), *_validity(trial.invalid), confirmation_place()],
        className="line edits",
    )


def _validity(invalid: bool) -> list[Any]:
    mark = html.Div(
        [
            dmc.TextInput(
                id="invalid-reason",
                placeholder="Why is it invalid?",
                **attributes(aria_label="Reason"),
            ),
            html.Button("Mark as invalid", id="invalid-save", className="plain"),
        ],
        id="invalid-form",
        className="line",
        hidden=invalid,
    )
    undo = html.Button("Count it again", id="valid-save", className="plain", hidden=not invalid)
    return [mark, undo]


def _variation(view: View, name: str, trial: TrialRow) -> Any:
    try:
        space = _study_file(view, name).space
    except StudyFileError as error:  # written by another version
        return html.Button(
            "Enqueue a variation", className="plain", disabled=True, title=str(error)
        )
    given = {key: variation.text_of(value) for key, value in by_setting(trial.params).items()}
    return html.Div(
        [
            html.Button("Enqueue a variation", id="variation-open", className="plain"),
            dmc.Modal(
                [
                    html.Div(variation.form(space, given), className="variation-fields"),
                    html.Div(id="variation-problems", role="alert", className="problems"),
                    html.Button("Enqueue", id="variation-send", className="plain"),
                ],
                id="variation-modal",
                title=f"A variation of trial {trial.number}, to run next",
                keepMounted=True,
                size="lg",
            ),
        ]
    )


def study_buttons(view: View, study: StudySummary) -> Any:
    """Lay out pause, continue, stop, and pending commands; None if writing is not allowed."""
    if not view.allow_edit:
        return None
    buttons = [
        html.Button(
            label,
            id={"type": "ask", "kind": kind.value},
            className="plain",
            disabled=not _can(study, kind),
            title=title,
        )
        for kind, (label, title) in _ASKED.items()
    ]
    return html.Div(
        [
            html.Div(buttons, className="line"),
            html.Div(
                _lay_out_waiting(study.name, view.study(study.name).commands(pending_only=True)),
                id="study-waiting",
            ),
            html.Div(id="study-asked", role="status", className="told"),
            confirmation_place(),
        ],
        className="study-buttons",
    )


def study_notes(view: View, study: StudySummary) -> Any:
    """Lay out tags and notes with their forms; None if writing is not allowed."""
    if not view.allow_edit:
        return None
    shown = html.Div(_remarks(view, study), id="study-remarks")
    return cards.card("Notes and tags", html.Div([shown, remark_forms()], className="controls"))


_ASKED = {
    CommandKind.PAUSE: ("Pause", "Dispatch no more trials; running ones continue to their end."),
    CommandKind.CONTINUE: ("Continue", "Dispatch trials again."),
    CommandKind.STOP: ("Stop", "Stop at the end of the epoch; results are kept."),
}


def _can(study: StudySummary, kind: CommandKind) -> bool:
    phases = {
        CommandKind.PAUSE: StudyPhase.RUNNING,
        CommandKind.CONTINUE: StudyPhase.PAUSED,
    }
    return study.running and study.phase == phases.get(kind, study.phase)


def _lay_out_waiting(name: str, commands: Sequence[CommandRow]) -> Any:
    return finding_table(name, command_table(commands), "waiting", [*map(_cancel, commands)])


def _cancel(command: CommandRow) -> Any:
    return html.Button(
        "Cancel",
        id={"type": "cancel", "command": str(command.command_id)},
        className="plain small",
        **attributes(aria_label=f"Cancel {command.kind}"),
    )


def _remarks(view: View, study: StudySummary) -> list[Any]:
    return remarks(study.tags, view.study(study.name).notes(), allow_edit=True)


# --- callbacks ------------------------------------------------------------------------------------

_TOLD = Output("told", "children", allow_duplicate=True)
_PLACE = State("place", "data")


def register(app: Dash, view: View) -> None:
    """Register the callbacks of the forms, if writing is allowed."""
    if not view.allow_edit:
        return
    _register_remarks(app, view)
    _register_validity(app, view)
    _register_variation(app, view)
    _register_study(app, view)


def _register_remarks(app: Dash, view: View) -> None:
    for kind, write in (("note", write_note), ("tag", add_tag)):
        _register_text(app, view, kind, write)

    @app.callback(
        _TOLD,
        Input({"type": "untag", "tag": ALL}, "n_clicks"),
        _PLACE,
    )
    def untag(clicks: list[int | None], place: StudyPlace) -> Any:
        if not _was_clicked(clicks):
            return no_update
        return take_tag_off(view, place.name, place.number, ctx.triggered_id["tag"])


def _register_text(
    app: Dash, view: View, kind: str, write: Callable[[View, str, int | None, str | None], str]
) -> None:
    @app.callback(
        _TOLD,
        Output(f"{kind}-text", "value"),
        Input(f"{kind}-save", "n_clicks"),
        State(f"{kind}-text", "value"),
        _PLACE,
    )
    def save(_: Any, text: str | None, place: StudyPlace) -> Any:
        return write(view, place.name, place.number, text), ""


def _register_validity(app: Dash, view: View) -> None:
    @app.callback(
        _TOLD,
        Output("invalid-reason", "value"),
        Input("invalid-save", "n_clicks"),
        State("invalid-reason", "value"),
        _PLACE,
    )
    def mark(_: Any, reason: str | None, place: TrialPlace) -> Any:
        return mark_invalid(view, place.name, place.trial, reason), ""

    @app.callback(_TOLD, Input("valid-save", "n_clicks"), _PLACE)
    def undo(_: Any, place: TrialPlace) -> Any:
        return count_again(view, place.name, place.trial)

    @app.callback(
        Output("invalid-form", "hidden"),
        Output("valid-save", "hidden"),
        Input("revision", "data"),
        _PLACE,
    )
    def offer(_: Any, place: TrialPlace) -> Any:
        table = view.table(place.name)
        row = table.row_of(place.trial)
        invalid = row is not None and bool(table.invalid[row])
        return invalid, not invalid


def _register_variation(app: Dash, view: View) -> None:
    given = State({"type": "variation", "setting": ALL}, "value")

    @app.callback(
        Output("variation-modal", "opened"),
        Input("variation-open", "n_clicks"),
    )
    def show(_: Any) -> bool:
        return True

    @app.callback(
        Output({"type": "variation-box", "setting": ALL}, "hidden"),
        Output({"type": "variation-about", "setting": ALL}, "children"),
        Input({"type": "variation", "setting": ALL}, "value"),
        _PLACE,
    )
    def follow(_: list[str | None], place: StudyPlace) -> Any:
        found = variation.fields(_study_file(view, place.name).space, _read_texts(0))
        return [not field.is_used for field in found], [field.about for field in found]

    @app.callback(
        _TOLD,
        Output("variation-modal", "opened", allow_duplicate=True),
        Output("variation-problems", "children"),
        Input("variation-send", "n_clicks"),
        given,
        _PLACE,
    )
    def send(_: Any, values: list[str | None], place: StudyPlace) -> Any:
        try:
            return enqueue(view, place.name, _read_texts(0, of="states")), False, None
        except StudyFileError as error:
            return no_update, True, [html.Div(problem) for problem in error.problems]


def _read_texts(place: int, of: str = "inputs") -> dict[str, str | None]:
    """Return the form's texts by setting: an ALL pattern's values are sent with their ids."""
    found = (ctx.inputs_list if of == "inputs" else ctx.states_list)[place]
    return {field["id"]["setting"]: field.get("value") for field in found}


def _register_study(app: Dash, view: View) -> None:
    @app.callback(
        Output("study-asked", "children"),
        Input({"type": "ask", "kind": ALL}, "n_clicks"),
        _PLACE,
    )
    def show_question(clicks: list[int | None], place: StudyPlace) -> Any:
        if not _was_clicked(clicks):
            return no_update
        return ask(view, place.name, _kind(ctx.triggered_id["kind"]))

    @app.callback(
        Output("study-asked", "children", allow_duplicate=True),
        Input({"type": "cancel", "command": ALL}, "n_clicks"),
        _PLACE,
    )
    def withdraw(clicks: list[int | None], place: StudyPlace) -> Any:
        command_id = trial_number(ctx.triggered_id["command"]) if _was_clicked(clicks) else None
        return no_update if command_id is None else cancel(view, place.name, command_id)

    @app.callback(
        Output({"type": "ask", "kind": ALL}, "disabled"),
        Output("study-waiting", "children"),
        Output("study-remarks", "children"),
        Output("study-asked", "children", allow_duplicate=True),
        Input("revision", "data"),
        State("study-asked", "children"),
        _PLACE,
    )
    def update(_: Any, asked: str | None, place: StudyPlace) -> Any:
        study = view.study(place.name).summary()
        disabled = [not _can(study, kind) for kind in _ASKED]
        commands = view.study(study.name).commands(pending_only=True)
        is_applied = not commands and str(asked).startswith(_REQUESTED)
        said = None if is_applied else no_update
        return disabled, _lay_out_waiting(study.name, commands), _remarks(view, study), said


def _kind(name: str) -> CommandKind:
    for kind in _ASKED:
        if kind.value == name:
            return kind
    raise UsageError(f"unknown request '{name}'.")


def _was_clicked(clicks: Sequence[int | None]) -> bool:
    # A new button calls too, without a click.
    return any(clicks) and bool(ctx.triggered and ctx.triggered[0]["value"])
