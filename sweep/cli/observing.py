"""Observe a running study: in the terminal or a log, and by a webhook."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

import typer

from sweep.cli import logs
from sweep.cli.options import INTERRUPTED
from sweep.cli.output import say
from sweep.enums import StudyPhase
from sweep.files import secret_from_environment

if TYPE_CHECKING:
    from sweep.coordinator.progress import Observer, Progress
    from sweep.coordinator.webhook import Endpoint, WebhookObserver


@contextmanager
def observers(study: str, webhook: str | None) -> Iterator[tuple["Observer", "WebhookObserver"]]:
    """Provide an observer for a coordinator, and the webhook's, which needs the last phase."""
    from sweep.coordinator.webhook import observe_with_webhook

    endpoint = webhook_endpoint(webhook)
    with observe_with_webhook(endpoint, study, say) as telling, _show_progress() as show:

        def observe(state: "Progress") -> None:
            show(state)
            telling(state)

        yield observe, telling


def train_child(child: str, run: Callable[["Observer"], StudyPhase], again: str) -> bool:
    """Train a derived study; if it is interrupted, print the command ``again`` that continues it.

    Return whether it completed. Raises typer.Exit after an interrupt.
    """
    with observers(child, None) as (observe, told):
        phase = told.phase = run(observe)
    if phase != StudyPhase.FINISHED:
        say(f"study '{child}': {phase}; results are kept. To continue: {again}")
    if phase == StudyPhase.INTERRUPTED:
        raise typer.Exit(INTERRUPTED)
    return phase == StudyPhase.FINISHED


def _show_progress() -> AbstractContextManager["Observer"]:
    if logs.are_json():
        return nullcontext(logs.LoggedProgress())
    from sweep.cli.progress import progress

    return progress()


def webhook_endpoint(option: str | None) -> "Endpoint | None":
    """Return the webhook; SWEEP_WEBHOOK_SECRET, or the file SWEEP_WEBHOOK_SECRET_FILE, signs.

    Raises UsageError for a URL that cannot be used.
    """
    from sweep.coordinator.webhook import Endpoint

    if not (url := option or os.environ.get("SWEEP_WEBHOOK")):
        return None
    return Endpoint(url=url, secret=secret_from_environment("SWEEP_WEBHOOK_SECRET"))
