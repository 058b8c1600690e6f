"""One finding in a terminal, on a page, in the report and as JSON."""

import html
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweep.analysis.study_reader import StudyReader
from sweep.cli.entry import run
from sweep.cli.output import show_finding
from sweep.config import TrialConfig
from sweep.dashboard.pages import overview, trial, why
from sweep.dashboard.parts import answer
from sweep.dashboard.parts.findings import finding_table, lay_out_decision, sentence
from sweep.dashboard.view import PageReader, View
from sweep.datasets.images import data_key
from sweep.enums import AblationMethod
from sweep.findings.diagnoses import limit_sentence
from sweep.findings.dialects import in_ascii
from sweep.findings.factorial import CAUSES, CELLS
from sweep.findings.study import gather_study
from sweep.findings.tables import Cell, FindingTable, TableColumn
from sweep.findings.trial import gather_trial
from sweep.report import render
from sweep.store import annotate
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from tests.support.finding_factories import floors
from tests.support.pages import as_json, texts
from tests.support.planted import Plant, bowl, draw, store
from tests.support.store_factories import (
    SHA256,
    add_explanation,
    add_probe,
    add_seed_errors,
    add_study,
    add_trial,
    sqlite_store,
)

TABLE = FindingTable(
    title="What limits the pixels’ error",
    columns=(
        TableColumn("trial", "Trial", is_number=True),
        TableColumn("error", "Error", is_number=True),
        TableColumn("because", "Because"),
    ),
    rows=((Cell("7", 7, trial=7), Cell("4.35·10⁻⁸", 4.35e-8), Cell("it settled", "it settled")),),
    note="Run `sweep ties study` – first.",
)
PAIRS = FindingTable(
    title="Settings",
    columns=(TableColumn("setting", "", is_name=True), TableColumn("value", "")),
    rows=((Cell("batch size", "batch_size"), Cell("128", 128)),),
)


def test_a_terminal_shows_a_table_in_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    show_finding(TABLE)
    assert capsys.readouterr().out.splitlines() == [
        "",
        "What limits the pixels' error",
        "Trial     Error  Because",
        "    7  4.35e-08  it settled",
        "Run `sweep ties study` - first.",
    ]


def test_a_terminal_indents_what_has_no_headings_and_shows_names_that_commands_take(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_finding(PAIRS)
    assert capsys.readouterr().out == "\nSettings\n  batch_size  128\n"


def test_a_terminal_shows_nothing_of_an_empty_table(capsys: pytest.CaptureFixture[str]) -> None:
    show_finding(FindingTable(title="None", columns=TABLE.columns, rows=()))
    assert capsys.readouterr().out == ""


def test_a_page_links_trials_and_sets_commands_as_code() -> None:
    laid_out = finding_table("study", TABLE, "stacked")
    assert texts(laid_out) == [
        *("Trial", "Error", "Because", "7", "4.35·10⁻⁸", "it settled"),
        *("Run ", "sweep ties study", " – first."),
    ]
    assert '"href": "/study/study/trials/7"' in as_json(laid_out)
    assert '"data-label": "error"' in as_json(laid_out)


def test_a_page_has_a_heading_for_each_row_without_columns_headings() -> None:
    said = as_json(finding_table("study", PAIRS))
    assert '"scope": "row"' in said
    assert "Thead" not in said


def test_a_sentence_on_a_page_has_no_backticks() -> None:
    assert "`" not in as_json(sentence("Run `sweep ties study`."))


#: What the test data of the planted study bound errors by: 0.05 at width 16, 0 at all 784.
BOUNDS = floors(*(0.08 if width < 16 else 0.05 * (1 - width / 784) for width in range(785)))


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Trials that ended in every way, in ./sweep.db, with the floors of their data."""
    monkeypatch.chdir(tmp_path)
    engine = sqlite_store(tmp_path)
    study_id = add_study(
        engine, settings={"data": {"name": "./x", "validation_fraction": 0.2, "split_seed": 0}}
    )
    sha256 = open_study(engine, "study").record().provenance["data_sha256"]
    annotate.put_floors(engine, data_key(sha256, *SPLIT.values()), BOUNDS.to_json())
    falling, settled, rising = (0.09, 0.07, 0.06), (0.06, 0.05, 0.05, 0.05), (0.06, 0.03, 0.05)
    for number, (width, curve) in enumerate([(16, falling), (64, settled), (512, rising)]):
        config = TrialConfig(hidden_width=width)
        add_trial(
            engine, study_id, number, curve[-1], config=config, curve=curve, train_seconds=3.0
        )
    add_trial(engine, study_id, 3, state="FAIL", outcome="diverged", curve=(0.5,), reason="NaN")
    add_trial(engine, study_id, 4, state="PRUNED", curve=(0.5, 0.4))
    add_trial(engine, study_id, 5, state="RUNNING", curve=(0.5, 0.4), attempt=2)
    add_trial(engine, study_id, 6, state="WAITING")
    return engine


SPLIT: dict[str, Any] = {"validation_fraction": 0.2, "split_seed": 0, "train_limit": None}


@pytest.mark.parametrize("number", range(7))
def test_terminal_page_and_json_say_the_same_of_a_trial_word_for_word(
    planted: Engine, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    study = open_study(planted, "study")
    sentences = gather_trial(study, number, lambda _: BOUNDS).sentences
    assert sentences
    run(["show", "study", str(number)])
    shown = capsys.readouterr().out.splitlines()
    run(["show", "study", str(number), "--json"])
    assert json.loads(capsys.readouterr().out)["sentences"] == sentences
    page = texts(trial.diagnosis(trial.gather(View(engine=planted), "study", number)))
    for said in sentences:
        assert f"  {in_ascii(said)}" in shown
        assert said.replace("`", "") in "".join(page)


def test_report_terminal_and_pages_give_a_trial_the_same_reason(
    planted: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    study = open_study(planted, "study")
    report = html.unescape(render(planted, "study"))
    why = texts(finding_table("study", View(engine=planted).findings("study").diagnosis_table))
    run(["diagnose", "study"])
    shown = capsys.readouterr().out
    for number in range(3):
        found = gather_trial(study, number, lambda _: BOUNDS)
        because = found.diagnosis.because
        assert found.sentences[0] == limit_sentence("It", found.diagnosis)
        assert because in report
        assert because in why
        assert in_ascii(because) in shown


@pytest.fixture
def told(planted: Engine) -> Engine:
    """The planted study with seeds that tie, a probed network and an ablation analysis."""
    study_id = open_study(planted, "study").summary().study_id
    better = TrialConfig(hidden_width=600, epochs=50)
    for number, config in ((7, better), (8, replace(better, epochs=40))):
        trial_id = add_trial(planted, study_id, number, 0.02, config=config)
        add_seed_errors(planted, trial_id, [0.019, 0.02, 0.021])
    add_probe(planted, trial_id, width=600, key=data_key(SHA256, *SPLIT.values()))
    add_explanation(planted, "study", TrialConfig(), better, BETWEEN)
    return planted


@pytest.fixture
def told_by_cells(told: Engine) -> Engine:
    """The same with a factorial analysis, by the same configurations."""
    ends = TrialConfig(), TrialConfig(hidden_width=600, epochs=50)
    name, method = "study-explain-2", AblationMethod.FACTORIAL
    add_explanation(told, "study", *ends, BETWEEN, name=name, method=method)
    return told


#: Errors of the baseline, the best, and what lies between them.
BETWEEN = {
    TrialConfig(): (0.06, 0.07),
    TrialConfig(hidden_width=600, epochs=50): (0.02, 0.021),
    TrialConfig(hidden_width=600): (0.05, 0.06),
    TrialConfig(epochs=50): (0.03, 0.04),
}


def terminal_of(engine: Engine, capsys: pytest.CaptureFixture[str]) -> str:
    run(["findings", "study"])
    return capsys.readouterr().out


def page_of(engine: Engine, _: Any) -> str:
    view = View(engine=engine)
    return "".join(texts(why.verdict(view, view.findings("study"))))


def report_of(engine: Engine, _: Any) -> str:
    return html.unescape(re.sub("</?code>", "", render(engine, "study")))


@pytest.mark.parametrize(
    ("face", "dialect"),
    [
        (terminal_of, in_ascii),
        (page_of, lambda sentence: sentence.replace("`", "")),
        (report_of, lambda sentence: sentence.replace("`", "")),
    ],
)
def test_each_sentence_about_a_study_is_the_same_in_terminal_page_and_report(
    told: Engine, capsys: pytest.CaptureFixture[str], face: Any, dialect: Callable[[str], str]
) -> None:
    sentences = gather_study(StudyReader(open_study(told, "study"))).sentences
    shown = face(told, capsys)
    kinds = (
        "has the best copies",
        "PCA",
        "What helps most",
        "What limits",
        "pixels",
        "ndistinguishable",
    )
    assert all(any(kind in sentence for sentence in sentences) for kind in kinds)
    assert [sentence for sentence in sentences if dialect(sentence) not in shown] == []


def test_causes_are_told_by_every_combination_where_it_is_trained_on_every_face(
    told_by_cells: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    found = gather_study(StudyReader(open_study(told_by_cells, "study")))
    assert found.factorial is not None and found.cell_table is not None
    (said,) = [of for of in found.sentences if "Shapley value" in of]
    assert not any("What helps most" in of for of in found.sentences)
    shown, report = terminal_of(told_by_cells, capsys), report_of(told_by_cells, None)
    assert in_ascii(said) in shown
    assert all(said in of for of in (page_of(told_by_cells, None), report, found._repr_html_()))
    for title in (CAUSES, CELLS):
        assert title in shown and title in found._repr_html_()
    assert 'id="chart-factorial"' in report and CELLS in report
    card = as_json(answer.causes(PageReader(View(engine=told_by_cells), "study"), found))
    assert all(of in card for of in ("why-factorial", "why-waterfall", CELLS))


def test_the_decision_is_the_same_in_terminal_page_report_notebook_and_json(
    told: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    found = gather_study(StudyReader(open_study(told, "study")))
    decision = found.decision
    assert decision is not None and len(decision.alternatives) > 1
    page = "".join(texts(lay_out_decision("study", decision)))
    shown, reported = terminal_of(told, capsys), report_of(told, capsys)
    for said in (decision.sentence, decision.table.note):
        bare = said.replace("`", "")
        assert in_ascii(said) in shown
        assert bare in page and bare in reported
        assert bare in html.unescape(re.sub("</?code>", "", found._repr_html_()))
    run(["findings", "study", "--json"])
    assert json.loads(capsys.readouterr().out)["decision"] == decision.to_json()


def test_json_and_terminal_have_the_tables_of_a_study(
    told: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    found = gather_study(StudyReader(open_study(told, "study")), n_best=10)
    run(["findings", "study", "--json"])
    told_as_json = json.loads(capsys.readouterr().out)
    assert told_as_json["sentences"] == found.sentences
    shown = terminal_of(told, capsys)
    for name, table in found.tables.items():
        assert in_ascii(table.title) in shown and table.title in found._repr_html_()
        assert len(told_as_json["tables"][name]) == len(table.rows)
    assert len(found.tables) == 7


def test_advice_stands_in_terminal_overview_report_notebook_and_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    engine = sqlite_store(tmp_path)
    plant = Plant(terms={"learning_rate": bowl(1.3, 4.0)})
    store(engine, draw(plant, "random", 60, 0, "study"), plant)
    found = gather_study(StudyReader(open_study(engine, "study")))
    assert found.advice_sentences[0].endswith("`sweep next study -o next.toml`")
    shown = terminal_of(engine, capsys)
    card = texts(overview.advice(View(engine=engine).findings("study", in_short=True)))
    notebook = html.unescape(re.sub("</?code>", "", found._repr_html_()))
    for said in found.advice_sentences:
        assert f"  {in_ascii(said)}\n" in shown
        plain = said.replace("`", "")
        assert all(plain in of for of in ("".join(card), report_of(engine, None), notebook))
    assert [of["sentence"] for of in found.to_json()["advice"]] == [
        of.sentence for of in found.advice
    ]
