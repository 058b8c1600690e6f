"""Addresses of pages: every view and selection has one."""

from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode

from pydantic import AfterValidator, Field

STUDIES, OVERVIEW, TRIALS, TRIAL = "studies", "overview", "trials", "trial"
COMPARE, EXPLORE, WORKERS, WHY = "compare", "explore", "workers", "why"
#: Several studies side by side.
COMPARE_STUDIES = "compare-studies"
#: An unknown address; a page whose store did not answer.
UNKNOWN, FAILURE = "unknown", "failure"

#: Pages of a study, by the last part of their address.
_OF_STUDY = {"": OVERVIEW, "trials": TRIALS, "compare": COMPARE, "explore": EXPLORE} | {
    "workers": WORKERS,
    "why": WHY,
}


#: Maximum number of digits of a trial's number: every database stores such an integer.
_DIGITS = 9


class Place(NamedTuple):
    """The page and the selection that an address names."""

    page: str
    study: str | None = None
    #: Of the trial page.
    number: Annotated[int, Field(ge=0, lt=10**_DIGITS)] | None = None
    #: The page's own parameters, such as {"where": "hidden_width:32..64"}.
    query: Mapping[str, str] = {}

    @property
    def name(self) -> str:
        """The study's name, on the pages that have one."""
        assert self.study is not None
        return self.study

    @property
    def trial(self) -> int:
        """Return the trial's number on the pages of a trial."""
        assert self.number is not None
        return self.number

    @property
    def path(self) -> str | None:
        """Its address without the query; None if it has no address."""
        if self.page in (UNKNOWN, FAILURE):
            return None
        return url(self.page, self.study, self.number)


def _of_study(place: Place) -> Place:
    if place.study is None:
        raise ValueError("not a page of a study")
    return place


def _of_trial(place: Place) -> Place:
    if place.number is None:
        raise ValueError("not a page of a trial")
    return _of_study(place)


#: Location that the pages of a study and of a trial send.
StudyPlace = Annotated[Place, AfterValidator(_of_study)]
TrialPlace = Annotated[Place, AfterValidator(_of_trial)]


def parse(pathname: str | None, search: str | None = "") -> Place:
    """Parse an address to its place; UNKNOWN for an unknown one."""
    query = dict(parse_qsl((search or "").lstrip("?")))
    match [unquote(part) for part in (pathname or "").strip("/").split("/")]:
        case [""]:
            return Place(STUDIES, query=query)
        case ["compare"]:
            return Place(COMPARE_STUDIES, query=query)
        case ["study", study] if study:
            return Place(OVERVIEW, study, query=query)
        case ["study", study, "trials", text] if (number := trial_number(text)) is not None:
            return Place(TRIAL, study, number, query)
        case ["study", study, last] if study and last in _OF_STUDY:
            return Place(_OF_STUDY[last], study, query=query)
        case ["study", study, *_] if study:
            return Place(UNKNOWN, study, query=query)
    return Place(UNKNOWN, query=query)


def trial_number(text: str) -> int | None:
    """Parse a trial's number; None for anything that is not a database integer."""
    return int(text) if text.isdecimal() and len(text) <= _DIGITS else None


def url(
    page: str = STUDIES, study: str | None = None, number: int | None = None, **query: str | None
) -> str:
    """Write the address of a page, without query parameters that are None or empty."""
    if study is None:
        path = "/compare" if page == COMPARE_STUDIES else "/"
    elif number is not None:
        path = f"/study/{quote(study, safe='')}/trials/{number}"
    else:
        last = next(last for last, known in _OF_STUDY.items() if known == page)
        path = f"/study/{quote(study, safe='')}" + (f"/{last}" if last else "")
    wanted = {name: value for name, value in query.items() if value}
    return path + (f"?{urlencode(wanted, quote_via=quote)}" if wanted else "")


def join_names(names: Sequence[str]) -> str:
    """Join names of studies to one query value; names of other programs may contain commas."""
    return ",".join(quote(name, safe="") for name in names)


def split_names(text: str | None) -> list[str]:
    """Invert ``join_names``."""
    return [unquote(part) for part in (text or "").split(",") if part]
