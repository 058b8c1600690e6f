"""The answer's pages say what its stored studies say."""

import re
from collections.abc import Iterator

import pytest

from docs.answer import run
from docs.answer.facts import Facts, gather
from docs.answer.write import PAGES, README, SUMMARY, render, results, with_summary
from sweep.studyfile import load

#: What a number in the text may be: a scale, a percentage of intervals or variance, bits.
NAMES_OF_THINGS = {"0", "1", "8", "90", "95"}


@pytest.fixture(scope="module")
def facts() -> Iterator[Facts]:
    with results() as engine:
        yield gather(engine)


@pytest.mark.parametrize("template", PAGES)
def test_a_page_is_what_its_studies_say(template: str, facts: Facts) -> None:
    assert PAGES[template].read_text(encoding="utf-8") == render(template, facts), "make answer"


def test_the_readme_says_in_short_what_the_studies_say(facts: Facts) -> None:
    text = README.read_text(encoding="utf-8")
    assert with_summary(text, render(SUMMARY, facts)) == text, "make answer"


def test_a_text_without_marks_takes_no_summary() -> None:
    with pytest.raises(ValueError, match="make answer"):
        with_summary("# A page\n", "- So.\n")


@pytest.mark.parametrize("template", [*PAGES, SUMMARY])
def test_no_result_is_typed_by_hand(template: str) -> None:
    text = (run.RESULTS.parent / template).read_text(encoding="utf-8")
    by_hand = re.sub(r"<!--.*?-->|\{%.*?%\}|\{\{.*?\}\}", "", text, flags=re.DOTALL)
    assert set(re.findall(r"\d[\d.,]*\d|\d", by_hand)) <= NAMES_OF_THINGS


def test_the_steps_of_the_answer_make_up_the_whole(facts: Facts) -> None:
    found = facts.why.found
    assert found.whole is not None
    for path in (found.forward, found.reverse):
        product = 1.0
        for step in path.steps:
            product *= step.factor.estimate
        assert product == pytest.approx(found.whole.estimate)


@pytest.mark.parametrize("part", run.PARTS, ids=lambda part: part.name)
def test_every_study_of_the_answer_can_be_started(part: run.Part) -> None:
    file = run.ROOT / "studies" / part.file
    assert load(file, [*part.settings, *part.reduced]).data.name is not None
