"""Writing through the dashboard, in a real browser."""

import time

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import update

from sweep.store import revisions, schema
from sweep.store.engine import Engine, write_transaction
from sweep.store.handle import open_study
from sweep.store.lookup import find_study
from tests.support.dashboard_requests import Serve
from tests.support.store_factories import add_rows, add_study, add_trial, lease_row
from tests.support.study_factories import CONDITIONAL, study_text


@pytest.fixture
def live(engine: Engine) -> str:
    """The name of a study that a coordinator runs."""
    study_id = add_study(engine, "live", phase="running", study_file=study_text(CONDITIONAL))
    add_rows(engine, schema.sweep_leases, lease_row(study_id, time.time() + 600))
    add_trial(engine, study_id, 0, 0.1, params={"hidden_width": 64, "activation": "relu"})
    return "live"


@pytest.fixture
def trial(page: Page, serve: Serve, engine: Engine, live: str) -> Page:
    """The page of that study's trial, where writing is allowed."""
    page.goto(f"{serve(engine, allow_edit=True)}/study/{live}/trials/0")
    page.get_by_role("heading", name="Trial 0").wait_for()
    return page


def test_an_empty_note_is_refused_a_note_and_a_tag_appear_as_text_and_the_tag_goes(
    trial: Page,
) -> None:
    trial.get_by_role("button", name="Save note").click()
    expect(trial.get_by_role("alert").filter(has_text="note is empty")).to_be_visible()
    trial.get_by_label("Note").fill("<script>alert(1)</script> looks odd")
    trial.get_by_role("button", name="Save note").click()
    expect(trial.get_by_role("status")).to_have_text("Note added to Trial 0.")
    expect(trial.locator("#trial-remarks")).to_contain_text("<script>alert(1)</script> looks odd")
    expect(trial.get_by_label("Note")).to_have_value("")
    trial.get_by_label("Tag", exact=True).fill("<b>first</b>")
    trial.get_by_role("button", name="Add tag").click()
    expect(trial.locator("#trial-remarks .tag")).to_contain_text("<b>first</b>")
    trial.get_by_role("button", name="Remove the tag <b>first</b>").click()
    expect(trial.locator("#trial-remarks .tag")).to_have_count(0)


def test_a_trial_is_marked_as_invalid_and_taken_back(trial: Page) -> None:
    trial.get_by_label("Reason").fill("the wrong data")
    trial.get_by_role("button", name="Mark as invalid").click()
    expect(trial.get_by_role("note")).to_contain_text("the wrong data")
    expect(trial.get_by_label("Reason")).to_be_hidden()
    trial.get_by_role("button", name="Count it again").click()
    expect(trial.get_by_role("note")).to_have_count(0)
    expect(trial.get_by_label("Reason")).to_be_visible()


def test_a_variation_is_checked_and_enqueued(trial: Page, engine: Engine) -> None:
    trial.get_by_role("button", name="Enqueue a variation").click()
    width = trial.get_by_label("hidden width")
    expect(width).to_have_value("64")
    width.fill("5000")
    trial.get_by_role("button", name="Enqueue", exact=True).click()
    expect(trial.locator("#variation-problems")).to_contain_text("5000 is not in")
    width.fill("32")
    trial.get_by_role("button", name="Enqueue", exact=True).click()
    expect(trial.get_by_role("status")).to_contain_text("Enqueued.")
    expect(width).to_be_hidden()
    (command,) = open_study(engine, "live").commands()
    configuration = command.payload["configuration"]
    assert configuration == {"hidden_width": 32, "activation": "relu"}


def test_the_message_about_a_request_goes_when_it_is_applied(
    page: Page, serve: Serve, engine: Engine, live: str
) -> None:
    page.goto(f"{serve(engine, allow_edit=True)}/study/{live}")
    page.get_by_role("button", name="Pause").click()
    message = page.locator("#study-asked")
    expect(message).to_contain_text("Requested: pause.")
    expect(page.locator("#study-waiting")).to_contain_text("pause")
    apply_commands(engine, live)
    expect(page.locator("#study-waiting table")).to_have_count(0)
    expect(message).to_be_hidden()


def apply_commands(engine: Engine, study: str) -> None:
    """Record every pending command as applied, as a coordinator does."""
    with write_transaction(engine) as connection:
        revisions.advance(connection, find_study(connection, study))
        done = {"applied_at": time.time(), "outcome": "applied"}
        connection.execute(update(schema.sweep_commands).values(done))


def test_fields_follow_the_choices(trial: Page) -> None:
    trial.get_by_role("button", name="Enqueue a variation").click()
    expect(trial.get_by_label("β₁")).to_be_visible()
    trial.get_by_role("textbox", name="optimizer").click()
    trial.get_by_role("option", name="sgd").click()
    expect(trial.get_by_label("β₁")).to_be_hidden()
    expect(trial.get_by_text("0.1 to 10")).to_be_visible()


def test_a_read_only_page_has_no_forms(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/study/small/trials/1")
    page.get_by_role("heading", name="Trial 1", exact=True).wait_for()
    expect(page.get_by_text("read-only")).to_be_visible()
    expect(page.locator("#page").get_by_role("textbox")).to_have_count(0)
    for label in ("Save note", "Add tag", "Mark as invalid", "Enqueue a variation"):
        expect(page.get_by_role("button", name=label)).to_have_count(0)
