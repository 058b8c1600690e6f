"""What may be written through the dashboard, and by whom."""

import time
from pathlib import Path
from typing import Any

import pytest

from sweep.dashboard import Access, create_app, edits, links
from sweep.dashboard.pages import trial as trial_page
from sweep.dashboard.parts import variation
from sweep.dashboard.view import View
from sweep.enums import CommandKind
from sweep.errors import StudyFileError, UsageError
from sweep.store import schema
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from tests.support.pages import as_json, texts
from tests.support.store_factories import add_rows, add_study, add_trial, lease_row, sqlite_store
from tests.support.study_factories import CONDITIONAL, SMALL_GRID, make_study_file, study_text

_SPACE = make_study_file(CONDITIONAL).space


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """A store with a study of one trial, that no coordinator runs."""
    engine = sqlite_store(tmp_path)
    study_id = add_study(engine, study_file=study_text(CONDITIONAL), phase="stopped")
    add_trial(engine, study_id, 0, 0.5, params={"hidden_width": 64})
    return engine


@pytest.fixture
def view(engine: Engine) -> View:
    return View(engine=engine, allow_edit=True)


def run_it(engine: Engine, phase: str = "running") -> None:
    """A coordinator holds the study from now on."""
    add_rows(engine, schema.sweep_leases, lease_row(1, time.time() + 60))
    table = schema.sweep_studies
    with engine.begin() as connection:
        connection.execute(table.update().values(phase=phase))


def writers(engine: Engine, **access: Any) -> list[str]:
    """The callbacks of an application whose outputs belong to forms."""
    known = create_app(engine, Access(**access)).callback_map
    ids = ("told.", "study-asked.", "variation", "invalid-", "study-waiting", '"ask"')
    return [output for output in known if any(name in output for name in ids)]


def test_a_read_only_dashboard_has_no_callback_that_writes(engine: Engine) -> None:
    assert writers(engine) == []
    assert len(writers(engine, allow_edit=True)) > 8


def test_a_read_only_dashboard_renders_no_form(engine: Engine) -> None:
    place = links.Place(links.TRIAL, "study", 0)
    editable, read_only = (
        as_json(trial_page.layout(View(engine=engine, allow_edit=allowed), place))
        for allowed in (True, False)
    )
    for id_ in ("note-save", "tag-save", "invalid-save", "variation-send"):
        assert id_ in editable
        assert id_ not in read_only
    assert edits.study_buttons(View(engine=engine), open_study(engine, "study").summary()) is None


def test_a_read_only_dashboard_refuses_what_an_editable_one_would_write(engine: Engine) -> None:
    client = create_app(engine).server.test_client()
    client.get("/")
    token = client.get_cookie("_csrf_token")
    assert token is not None
    (output,) = (name for name in writers(engine, allow_edit=True) if "note-text" in name)
    body = {
        "output": output,
        "outputs": [{"id": "told", "property": "children"}],
        "inputs": [{"id": "note-save", "property": "n_clicks", "value": 1}],
        "changedPropIds": ["note-save.n_clicks"],
        "state": [{"id": "note-text", "property": "value", "value": "intruder"}],
    }
    headers = {"X-CSRFToken": token.value}
    answer = client.post("/_dash-update-component", json=body, headers=headers)
    assert answer.status_code == 404  # not 403: the page's token is right, the callback not there
    assert open_study(engine, "study").notes(0) == []


@pytest.mark.parametrize("number", [None, 0])
def test_notes_and_tags_are_written_as_the_commands_write_them(
    view: View, number: int | None
) -> None:
    edits.write_note(view, "study", number, "  looks odd\n")
    assert [note.text for note in view.study("study").notes(number)] == ["looks odd"]
    assert "is tagged “first”." in edits.add_tag(view, "study", number, " first ")
    assert "already" in edits.add_tag(view, "study", number, "first")
    edits.take_tag_off(view, "study", number, "first")
    assert "already" not in edits.add_tag(view, "study", number, "first")


@pytest.mark.parametrize("text", [None, "", " \n"])
def test_an_empty_note_or_tag_is_refused(view: View, text: str | None) -> None:
    with pytest.raises(UsageError):
        edits.write_note(view, "study", 0, text)
    with pytest.raises(UsageError):
        edits.add_tag(view, "study", 0, text)


def test_a_trial_is_left_out_and_counted_again(view: View) -> None:
    edits.mark_invalid(view, "study", 0, " the wrong data ")
    trial = view.study("study").trial(0)
    assert (trial.invalid, trial.invalid_reason) == (True, "the wrong data")
    edits.count_again(view, "study", 0)
    assert not view.study("study").trial(0).invalid


def test_a_variation_waits_for_a_coordinator(view: View) -> None:
    said = edits.enqueue(view, "study", {"hidden_width": "32", "activation": None})
    assert "sweep resume study" in said
    (command,) = view.study("study").commands(pending_only=True)
    assert command.kind == CommandKind.ENQUEUE
    assert command.payload == {"configuration": {"hidden_width": 32}}


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"hidden_width": "5000"}, "5000 is not in space.hidden_width"),
        ({"hidden_width": "many"}, "must be a whole number, got 'many'"),
        ({"optimizer": "sgd", "learning_rate": "0.001"}, "when.sgd.learning_rate"),
        ({}, "nothing is chosen"),
    ],
)
def test_a_variation_that_cannot_be_is_refused(
    view: View, given: dict[str, str], complaint: str
) -> None:
    with pytest.raises(StudyFileError, match=complaint):
        edits.enqueue(view, "study", given)
    assert view.study("study").commands() == []


@pytest.mark.parametrize("kind", [CommandKind.PAUSE, CommandKind.STOP, CommandKind.CONTINUE])
def test_only_a_coordinator_that_runs_is_asked(view: View, kind: CommandKind) -> None:
    with pytest.raises(UsageError, match="sweep resume study"):
        edits.ask(view, "study", kind)
    assert view.study("study").commands() == []
    run_it(view.engine)
    edits.ask(view, "study", kind)
    assert [command.kind for command in view.study("study").commands()] == [kind]


@pytest.mark.parametrize(
    ("phase", "offered"),
    [("running", {"pause", "stop"}), ("paused", {"continue", "stop"}), (None, set())],
)
def test_buttons_offer_what_the_study_can_do(
    view: View, phase: str | None, offered: set[str]
) -> None:
    if phase is not None:
        run_it(view.engine, phase)
    study = view.study("study").summary()
    assert {kind.value for kind in edits._ASKED if edits._can(study, kind)} == offered


def test_the_controls_of_a_study_show_what_waits_and_what_was_said(view: View) -> None:
    edits.enqueue(view, "study", {"hidden_width": "32"})
    edits.write_note(view, "study", None, "<script>alert(1)</script>")
    study = view.study("study").summary()
    assert "hidden_width=32" in texts(edits.study_buttons(view, study))
    assert "<script>alert(1)</script>" in texts(edits.study_notes(view, study))


def test_a_command_that_waits_is_cancelled_once(view: View) -> None:
    edits.enqueue(view, "study", {"hidden_width": "32"})
    (waiting,) = view.study("study").commands(pending_only=True)
    assert edits.cancel(view, "study", waiting.command_id) == "Cancelled."
    assert view.study("study").commands(pending_only=True) == []
    assert view.study("study").commands()[0].outcome == "cancelled"
    with pytest.raises(UsageError, match="is not pending any more"):
        edits.cancel(view, "study", waiting.command_id)


def test_a_study_file_of_another_version_takes_no_variation_but_shows_its_trials(
    engine: Engine,
) -> None:
    study_id = add_study(engine, "old", study_file='study.name = "old"\n[later]\n')
    add_trial(engine, study_id, 0, 0.5)
    view = View(engine=engine, allow_edit=True)
    controls = as_json(edits.trial_controls(view, "old", open_study(engine, "old").trial(0)))
    assert "unknown section" in controls
    assert "variation-send" not in controls


# --- the form -------------------------------------------------------------------------------------


def used_fields(given: variation.Texts) -> list[str]:
    return [field.setting for field in variation.fields(_SPACE, given) if field.is_used]


def test_the_form_has_the_fields_that_go_with_its_choices() -> None:
    common = ["hidden_width", "activation", "optimizer", "learning_rate"]
    assert used_fields({"optimizer": "adam"}) == [*common, "beta1"]
    assert used_fields({"optimizer": "sgd"}) == common
    assert used_fields({}) == [*common, "beta1"]  # whatever the sampler may choose


def test_a_field_says_what_it_may_be_beside_the_others() -> None:
    def about(**given: str) -> str:
        return next(
            field.about
            for field in variation.fields(_SPACE, given)
            if field.setting == "learning_rate"
        )

    assert about(optimizer="sgd") == "0.1 to 10.0"
    assert about(optimizer="adam") == "0.0001 to 0.01"
    assert about() == "0.0001 to 0.01 or 0.1 to 10.0"


def test_what_the_choices_leave_no_room_for_is_not_sent() -> None:
    given = {"optimizer": "sgd", "beta1": "0.9", "learning_rate": "1", "activation": ""}
    assert variation.chosen_configuration(_SPACE, given) == {
        "optimizer": "sgd",
        "learning_rate": 1.0,
    }


def test_choices_of_numbers_and_truth_come_back_as_they_were() -> None:
    space = make_study_file(SMALL_GRID).space
    choices = {field.setting: field.choices for field in variation.fields(space, {})}
    assert choices["hidden_width"] == ("16", "32")
    assert choices["nesterov"] == ("false", "true")
    given = {"hidden_width": "32", "optimizer": "sgd", "momentum": "0.9", "nesterov": "true"}
    assert variation.chosen_configuration(space, given) == {
        "hidden_width": 32,
        "optimizer": "sgd",
        "momentum": 0.9,
        "nesterov": True,
    }


def test_the_form_is_filled_with_the_trial_it_varies() -> None:
    sent = as_json(variation.form(_SPACE, {"hidden_width": "64", "activation": "tanh"}))
    assert '"value": "64"' in sent
    assert '"value": "tanh"' in sent
