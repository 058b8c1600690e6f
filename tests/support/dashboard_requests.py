"""A dashboard asked by Flask's test client as a browser would ask it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sweep.dashboard import Access, create_app
from sweep.store.engine import Engine
from tests.support.page_client import Answer, Dashboard

#: Serves a store; gives the address.
Serve = Callable[..., str]

PAGES = ("", "/why", "/trials", "/trials/7", "/compare", "/explore", "/workers")
#: Of Explore, each chart.
VIEWS = ("contour", "history", "distribution", "epochs", "timeline")


def dashboard_of(engine: Engine, heard: list[Answer] | None = None, **access: Any) -> Dashboard:
    """A dashboard over a store; ``heard`` gets every answer."""
    client = create_app(engine, Access(**access)).server.test_client(use_cookies=False)

    def send(method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        answer = client.open(target, method=method, data=body, headers=dict(headers))
        told = {name.lower(): value for name, value in answer.headers.items()}
        found = Answer(answer.status_code, answer.get_data(), told)
        if heard is not None:
            heard.append(found)
        return found

    return Dashboard(send)


def targets(study: str) -> list[str]:
    """The address of every page, and of every chart of Explore."""
    pages = [f"/study/{study}{page}" for page in PAGES]
    return ["/", *pages, *(f"/study/{study}/explore?view={view}" for view in VIEWS)]


def answers(dashboard: Dashboard, study: str) -> Iterator[tuple[str, Answer]]:
    """What every page and every callback on it answers."""
    for target in targets(study):
        page = dashboard.open(target)
        for body in dashboard.bodies(page):
            yield f"{target} {body['output']}", dashboard.ask(page, body)
