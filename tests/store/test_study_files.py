"""What is read of stored study files."""

import pytest

from sweep.enums import Objective
from sweep.store.study_files import read_about, read_sections

TEXT = """
[study]
name = "x"
description = "Why?"
objectives = ["val_mse", "hidden_width"]

[data]
name = "mnist"

[space]
hidden_width = 8

[budget]
trials = 3
"""


def test_a_list_takes_description_objectives_and_data_set() -> None:
    about = read_about(TEXT)
    assert about.study.description == "Why?"
    assert about.study.objectives == (Objective.VAL_MSE, Objective.HIDDEN_WIDTH)
    assert about.data.name == "mnist"


@pytest.mark.parametrize(
    "text",
    [
        "[budget]\ntrials = 3\n[data]\nname = 'mnist'\n[study]\ndescription = 'Why?'",
        "study.description = 'Why?'\nspace.epochs = 3\ndata.name = 'mnist'",
        'study.description = """Why?"""\n[budget]\ntrials = 3\n[data]\nname = "mnist"',
        '[data]\nname = """mnist"""\n[study]\nname = "x"\ndescription = "Why?"',
    ],
)
def test_the_order_of_the_sections_does_not_matter(text: str) -> None:
    about = read_about(text)
    assert (about.study.description, about.data.name) == ("Why?", "mnist")


def test_a_line_of_a_text_that_looks_like_a_section_is_text() -> None:
    text = TEXT.replace('"Why?"', '"""Why?\n[budget]\n"""')
    assert read_about(text).study.description == "Why?\n[budget]\n"
    assert read_about(text).data.name == "mnist"


def test_what_a_file_leaves_out_has_the_defaults_of_study_files() -> None:
    about, sections = read_about(""), read_sections("study.name = 'x'")
    assert about.study.description == sections.study.description
    assert about.study.objectives == sections.study.objectives
    assert about.data.name == sections.data.name


def test_sections_have_their_defaults_and_leave_out_the_space() -> None:
    sections = read_sections(TEXT)
    assert (sections.budget.trials, sections.study.repeat) == (3, 1)
    assert "space" not in type(sections).model_fields


@pytest.mark.parametrize(
    "text", ["[", "study = 1", "study.description = 1", "study.objectives = ['x']", "data = []"]
)
def test_no_study_file_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_about(text)
