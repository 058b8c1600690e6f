"""The answer's pages say what its stored studies say."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import pytest

from docs.answer import run
from docs.answer.facts import BASELINE, CLAIMS, LINEAR, Facts, gather
from docs.answer.figures import CHARTS
from docs.answer.write import (
    PAGES,
    README,
    SUMMARY,
    UnbackedClaimError,
    keras_diff,
    render,
    results,
    with_summary,
)
from sweep.analysis.diagnosis import Limit
from sweep.analysis.gains import Doubling
from sweep.analysis.study_diagnosis import diagnose_trials
from sweep.analysis.study_floors import study_floors
from sweep.store import drift
from sweep.store.handle import open_study
from sweep.studyfile import load

#: What a number in the text may be: the question's sizes, a scale, a percentage, bits, a doubling,
#: Keras 3.
NAMES_OF_THINGS = {"0", "1", "2", "3", "8", "10", "90", "784"}


@pytest.fixture(scope="module")
def facts() -> Iterator[Facts]:
    with results() as engine:
        yield gather(engine)


def test_the_stored_studies_have_the_schema_of_today() -> None:
    with results() as engine:
        assert drift.differences(engine) == []


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


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_can_be_drawn_and_says_its_finding(
    name: str, language: str, facts: Facts
) -> None:
    drawn = CHARTS[name](facts, language)
    assert drawn.data and drawn.layout.title.text and drawn.layout.annotations


# --- causes -------------------------------------------------------------------------------------

#: How the pages say that one thing makes another.
CAUSAL = re.compile(
    r"because|makes|\bputs|costs|shorten|takes .* epochs|limits"
    r"|ため|(?<=[るいたな])ので|からです|効き|逆効果|止まり"
)


@pytest.mark.parametrize("template", [*PAGES, SUMMARY])
def test_a_sentence_about_a_cause_is_backed_by_a_study(template: str) -> None:
    text = (run.RESULTS.parent / template).read_text(encoding="utf-8")
    body = re.sub(r"\{% include.*", "", text, flags=re.DOTALL)
    paragraphs = re.split(r"\n\n+|\n(?=- |\|)", body)
    causal = [of for of in paragraphs if CAUSAL.search(of) and not of.startswith(("<!--", "#"))]
    assert causal
    unbacked = [of for of in causal if "backed(" not in of]
    assert unbacked == []


def test_every_claim_is_made_in_both_languages() -> None:
    for template in PAGES:
        text = (run.RESULTS.parent / template).read_text(encoding="utf-8")
        made = {name for of in re.findall(r"backed\((.*?)\)", text) for name in of.split(", ")}
        assert made == {f'"{name}"' for name in CLAIMS}


#: Facts that contradict a claim.
CONTRARY: Mapping[str, Callable[[Facts], Facts]] = {
    "room": lambda of: with_errors(of, 0.5),
    "grey": lambda of: replace(of, evidence=replace(of.evidence, grey_error=0.5)),
    "front": lambda of: replace(
        of, front=replace(of.front, law=replace(of.front.law, first=of.corners.epochs[0] + 1))
    ),
    "width": lambda of: replace(
        of,
        widths=replace(of.widths, asked=replace(of.widths.asked, test_mse=0.5)),
    ),
    "stalls": lambda of: replace(
        of,
        longest=replace(
            of.longest,
            trials={
                (BASELINE, of.most): replace(
                    of.longest_asked, test_mse=(of.long_asked.test_mse or 0) / 2
                )
            },
        ),
    ),
    "sigmoid": lambda of: replace(of, bound=of.bound / 2),
    "dead": lambda of: replace(of, evidence=replace(of.evidence, dead_share=0.1)),
    "jitter": lambda of: replace(of, evidence=replace(of.evidence, residues=(0.0, 0.0))),
    "together": lambda of: replace(
        of,
        factorial=replace(
            of.factorial, cells=tuple(replace(cell, errors=(0.1,)) for cell in of.factorial.cells)
        ),
    ),
    "identity": lambda of: replace(of, evidence=replace(of.evidence, singular_values=(0.5,))),
    "digits": lambda of: replace(
        of, digits=of.digits and replace(of.digits, digits_pca=of.digits.clothes_pca)
    ),
    "depth": lambda of: replace(
        of, depth={width: replace(code, pca=code.pca / 2) for width, code in of.depth.items()}
    ),
    "denoise": lambda of: replace(
        of,
        denoised=replace(of.denoised, best=of.denoised.best._replace(share=0.99)),
    ),
    "codes": lambda of: replace(
        of,
        codes=replace(
            of.codes, best=tuple(replace(code, code=code.random) for code in of.codes.best)
        ),
    ),
}


def with_errors(facts: Facts, share: float) -> Facts:
    """Return facts whose sharpest copies have a share of the question's error."""
    key = LINEAR, facts.many
    worse = replace(facts.best, test_mse=share * (facts.asked.test_mse or 0))
    return replace(facts, long=replace(facts.long, trials={**facts.long.trials, key: worse}))


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("template", PAGES)
def test_a_claim_that_the_studies_do_not_show_is_not_printed(
    template: str, claim: str, facts: Facts
) -> None:
    with pytest.raises(UnbackedClaimError, match=claim):
        render(template, CONTRARY[claim](facts))


# --- in Keras -----------------------------------------------------------------------------------

#: The programs with fewer images and hidden units, as many epochs, the same weights in every run.
SHORT = """
import keras, sys
from sweep.datasets import load
images = load("fashion-mnist-mini")
shape = -1, 28, 28
arrays = images.train_images[:1000].reshape(shape), images.test_images[:200].reshape(shape)
keras.datasets.fashion_mnist.load_data = lambda: tuple((of, None) for of in arrays)
for program in sys.argv[1:]:
    text = open(program).read().replace("= 100, 128", "= 10, 20").replace("= 5, 128", "= 10, 20")
    text = text.replace("Dense(784", "Dense(100", 1)
    values = {}
    keras.utils.set_random_seed(0)
    exec(text, values)
    print("error", values["error"])
"""


def test_the_changed_lines_make_copies_sharper_in_keras() -> None:
    programs = [str(run.RESULTS.with_name(f"keras_{of}.py")) for of in ("before", "after")]
    done = subprocess.run(
        [sys.executable, "-c", SHORT, *programs],
        env={**os.environ, "KERAS_BACKEND": "torch"},
        capture_output=True,
        text=True,
        check=True,
    )
    before, after = (float(of) for of in re.findall(r"^error (.*)$", done.stdout, re.MULTILINE))
    assert after < before


def test_few_lines_change_for_keras() -> None:
    changed = keras_diff().splitlines()
    assert {line[0] for line in changed} == {"-", "+"}
    assert len(changed) <= 12


# --- the studies --------------------------------------------------------------------------------


@pytest.mark.parametrize("part", run.PARTS, ids=lambda part: part.name)
def test_every_study_of_the_answer_can_be_started(part: run.Part) -> None:
    file = run.ROOT / "studies" / part.file
    assert load(file, [*part.settings, *part.reduced]).data.name is not None


#: What a scientist would say of stored trials: by study, the label of each.
LABELS: dict[str, dict[int, Limit]] = {
    "corners": {0: Limit.TOO_FEW_EPOCHS},
    # Linear throughout, at a constant rate and at one that falls to 0.
    "corners-100": {14: Limit.UNSTABLE, 15: Limit.NOTHING},
    "width": dict.fromkeys(range(6), Limit.TOO_NARROW)
    | dict.fromkeys((6, 7, 8), Limit.TOO_FEW_EPOCHS),
    "features": dict.fromkeys((1, 3, 6, 9, 12, 16), Limit.TOO_NARROW)
    | dict.fromkeys((2, 5, 8, 11), Limit.SATURATED_UNITS)
    # 256 linear units with a sigmoid output: PCA, which has a linear one, leaves a third less.
    | {18: Limit.WRONG_LOSS},
}


@pytest.mark.parametrize("name", LABELS)
def test_the_answers_own_trials_have_the_labels_that_a_scientist_would_give(name: str) -> None:
    with results() as engine:
        study = open_study(engine, name)
        floors = study_floors(study, keep=False)
        found = diagnose_trials(study, study.table(), LABELS[name], floors)
    assert {of.trial.number: of.diagnosis.limit for of in found} == LABELS[name]


def test_the_gains_of_the_widths_are_those_that_were_trained() -> None:
    """Twice the epochs was trained as another study: 5, 5, 8, 13, 20 and 26 % at 8 to 256 units."""
    with results() as engine:
        study = open_study(engine, "width")
        found = diagnose_trials(study, study.table(), range(6), None)
    widths = [of.diagnosis.gains[Doubling.WIDTH].estimate for of in found]
    assert all(0.22 < of < 0.31 for of in widths)
    epochs = [of.diagnosis.gains[Doubling.EPOCHS].estimate for of in found]
    assert epochs == pytest.approx([0.05, 0.05, 0.08, 0.13, 0.20, 0.26], abs=0.12)
    assert all(of < wide for of, wide in zip(epochs, widths, strict=True))
