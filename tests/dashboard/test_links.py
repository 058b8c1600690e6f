"""Addresses lead where they came from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.dashboard import links
from sweep.dashboard.links import Place, parse, url

OF_STUDY = [links.OVERVIEW, links.TRIALS, links.COMPARE, links.EXPLORE, links.WORKERS, links.WHY]


@given(
    page=st.sampled_from(OF_STUDY),
    study=st.text(min_size=1).filter(lambda name: name.isprintable()),
    where=st.text(max_size=20).filter(str.isprintable),
)
def test_an_address_leads_to_its_place(page: str, study: str, where: str) -> None:
    path, _, search = url(page, study, where=where).partition("?")
    assert parse(path, search) == Place(page, study, query={"where": where} if where else {})


def test_a_trial_has_an_address() -> None:
    assert url(study="a b/c", number=7) == "/study/a%20b%2Fc/trials/7"
    assert parse("/study/a%20b%2Fc/trials/7") == Place(links.TRIAL, "a b/c", 7)


def test_the_root_is_all_studies() -> None:
    assert url() == "/"
    assert parse("/", "?search=x") == Place(links.STUDIES, query={"search": "x"})


@pytest.mark.parametrize(
    "path", ["/study", "/study/", "/x", "/study/a/b", "/study/a/trials/-1", "/study/a/trials/9/9"]
)
def test_other_addresses_lead_nowhere(path: str) -> None:
    assert parse(path).page == links.UNKNOWN
