import base64
import gzip
import re
import subprocess
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from sweep.analysis.floors import Floors
from sweep.analysis.study_diagnosis import diagnose_widths
from sweep.analysis.study_reader import StudyReader
from sweep.config import TrialConfig
from sweep.datasets.images import data_key
from sweep.enums import Activation, Loss, Outcome
from sweep.errors import NotFoundError
from sweep.findings.study import gather_study
from sweep.report import render
from sweep.store import annotate, schema
from sweep.store.derived_studies import Retrained
from sweep.store.handle import open_study
from tests.support.statements import Statement, count_statements
from tests.support.store_factories import (
    EPOCH,
    add_attributes,
    add_explanation,
    add_probe,
    add_rows,
    add_seed_errors,
    add_study,
    add_trial,
    change_study_file,
    sqlite_store,
    strip_png,
)

SHA256 = "5" * 64
DATA = {"name": "./gone", "validation_fraction": 0.1, "split_seed": 0}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = sqlite_store(tmp_path)
    yield engine
    engine.dispose()


def add(engine: Engine, **columns: Any) -> int:
    """A study whose floors are known: PCA's error falls evenly to 0 at 784 components."""
    curve = tuple(0.08 * (1 - k / 784) for k in range(785))
    key = data_key(SHA256, 0.1, 0)
    floors = Floors(
        data_key=key,
        train_pca_mse=curve,
        val_pca_mse=curve,
        test_pca_mse=curve,
        train_entropy=0.24,
        val_entropy=0.24,
        test_entropy=0.24,
    )
    annotate.put_floors(engine, key, floors.to_json())
    return add_study(
        engine,
        provenance={"sweep": "0.1.0", "git_commit": "abc1234", "data_sha256": SHA256},
        originals_png=strip_png(),
        **{"settings": {"data": DATA}, **columns},
    )


def add_pictured(engine: Engine, study_id: int, number: int, *values: float, **options: Any) -> int:
    """A finished trial with metrics, a learning curve and pictures."""
    metrics = {"psnr": 20.0, "exact_pixel_share": 0.25, "train_seconds": 2.0, "test_bce": 0.29}
    trial_id = add_trial(
        engine, study_id, number, values, curve=[0.2, 0.1], per_class_mse=[0.1] * 10,
        worker="w0", **(metrics | options),
    )  # fmt: skip
    pictures = {"reconstructions_png": strip_png(), "errors_png": strip_png()}
    add_rows(engine, schema.sweep_reconstructions, {"trial_id": trial_id, **pictures})
    return trial_id


def fill(engine: Engine, objectives: tuple[str, ...] = ("val_mse",)) -> None:
    """The baseline as trial 0, and 24 others, of which 23 is the best."""
    study_id = add(engine, objectives=objectives)
    add_pictured(engine, study_id, 0, *(0.02, 784.0)[: len(objectives)])
    for number in range(1, 24):
        width = 16 * number
        config = TrialConfig(
            hidden_width=width,
            activation=(Activation.GELU, Activation.TANH)[number % 2],
            loss=Loss.MSE,
        )
        add_pictured(
            engine,
            study_id,
            number,
            *(0.1 / number, float(width))[: len(objectives)],
            config=config,
            params={"hidden_width": width, "activation": str(config.activation)},
        )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of such a study."""
    engine = sqlite_store(tmp_path_factory.mktemp("report"))
    fill(engine)
    return render(engine, "study")


class Page(HTMLParser):
    """What a browser would load and show: addresses, ids, text outside of scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.images: list[Mapping[str, str | None]] = []
        self.n_scripts = 0
        self.texts: list[str] = []
        self._silent = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [str(found["id"])] if "id" in found else []
        if tag == "a":
            self.links.append(str(found.get("href")))
        else:
            self.loads += [str(found[key]) for key in ("src", "href", "srcset") if key in found]
        if tag == "img":
            self.images.append(found)
        if tag in ("script", "style"):
            self._silent += 1
            self.n_scripts += tag == "script"

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def test_a_report_loads_nothing_from_anywhere(report: str) -> None:
    page = Page(report)
    assert page.loads
    assert all(address.startswith("data:image/png;base64,") for address in page.loads)
    assert "default-src 'none'" in report
    styles = "".join(re.findall(r"<style>(.*?)</style>", report, re.DOTALL))
    assert styles
    assert "url(" not in styles
    assert "@import" not in styles


def test_a_report_has_plotly_once_and_no_button_that_uploads(report: str) -> None:
    (packed,) = re.findall(r'id="plotly-gzip">([^<]+)<', report)
    assert b"plotly.js (cartesian" in gzip.decompress(base64.b64decode(packed))[:100]
    n_charts = report.count('class="plot"')
    assert n_charts >= 6
    assert report.count('"showSendToCloud":false') == n_charts
    assert "Share chart" not in Page(report).text


def test_a_report_is_small_enough_for_mail(report: str) -> None:
    assert len(report.encode()) < 2_000_000


def test_many_trials_are_drawn_by_the_build_with_webgl(engine: Engine) -> None:
    study_id = add(engine)
    for number in range(1_100):
        add_trial(engine, study_id, number, 0.1 + number / 1e4)
    (packed,) = re.findall(r'id="plotly-gzip">([^<]+)<', render(engine, "study"))
    assert b"plotly.js (strict" in gzip.decompress(base64.b64decode(packed))[:100]


def test_the_first_screen_is_the_answer_in_short_a_chart_and_a_row_of_pictures(
    engine: Engine,
) -> None:
    fill(engine)
    html = render(engine, "study")
    first, folded = html.split("<main>")
    found = gather_study(StudyReader(open_study(engine, "study")))
    assert 2 <= len(found.summary) <= 4 and {*found.summary} <= {*found.sentences}
    assert first.count('<p class="why">') + first.count('<p class="headline">') == len(
        found.summary
    )
    assert re.findall('id="(chart-[^"]*)"', first) == ["chart-width"]
    assert first.count("<img") == 2 * 10
    assert "<details open" not in folded and folded.count("<details>") > 10


def test_headings_are_findings_where_there_is_one(report: str) -> None:
    headings = re.findall("<summary>(.*)</summary>", report)
    assert "Trial 23 is the best so far" not in headings
    assert "The search still improves: trial 23, the last, is the best" in headings
    assert "Activation: no choice is distinguishable from the others" in headings
    assert "The best configurations; finding ties takes several seeds" in headings


def test_every_section_that_is_linked_is_there(report: str) -> None:
    page = Page(report)
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    for section in ("best", "width", "pictures", "settings", "search", "repeat"):
        assert section in page.ids
    assert len(page.ids) == len(set(page.ids))


def test_the_verdict_is_in_numbers(report: str) -> None:
    text = Page(report).text
    assert (
        "Trial 23 has the best copies: 368 tanh units trained on mse have a test error of 0.00435 "
        "per pixel (20.0 dB)." in text
    )
    assert "4.6 times less than the baseline (trial 0, 0.0200)" in text
    assert "The best linear code of the same width (PCA, 0.0424) is 9.8 times worse" in text
    assert "of its 0.290 nats per pixel, 0.240 are the pixels’ entropy" in text


def test_the_question_stands_in_the_table_though_others_are_better(report: str) -> None:
    # the first decides
    _, table, *_ = report[report.index('<section id="best">') :].split("</table>")
    assert table.count("<tr") == 1 + 10 + 1
    assert table.count("baseline") == 1


def test_pictures_stand_beside_one_another_with_alt_texts(engine: Engine) -> None:
    fill(engine)
    change_study_file(engine, "study", {"data": {"name": "fashion-mnist-mini"}})
    images = Page(render(engine, "study")).images
    first = 2 * 10  # originals, and copies by the best
    asked = 5 * 10  # originals; copies and errors of the baseline and of the best
    every = (1 + 2 * len(diagnose_widths(open_study(engine, "study"), None))) * 10
    assert len(images) == first + asked + every
    assert images[0]["alt"] == "Original: T-shirt/top"
    assert images[first + 49]["alt"] == "Error of trial 23: Ankle boot"


def test_each_floor_stands_on_a_chart_of_its_own_unit(report: str) -> None:
    page = Page(report)
    assert {"chart-width", "chart-width-law", "chart-entropy"} <= set(page.ids)
    assert {"atlas", "chart-atlas-classes", "chart-atlas-kinds"} <= set(page.ids)
    # The baseline, at 784 units, is four times as high as the law of the others would have it.
    assert "The error follows no law in the width" in page.text
    assert "The grey line is the floor of linear codes" in page.text
    assert "The grey line is the entropy of the test pixels, 0.240 nats" in page.text


def add_tying(engine: Engine, study_id: int) -> None:
    """The first two of three trials tie."""
    for number, (width, mean) in enumerate([(64, 0.0100), (32, 0.0101), (8, 0.0500)]):
        config = TrialConfig(hidden_width=width)
        costs = {"n_parameters": 2 * width, "train_seconds": 100.0 / width}
        trial_id = add_trial(engine, study_id, number, mean, config=config, **costs)
        add_seed_errors(engine, trial_id, [mean * part for part in (0.97, 1.0, 1.03)])


def test_a_report_names_the_smallest_of_those_that_tie(engine: Engine) -> None:
    add_tying(engine, add(engine))
    text = Page(render(engine, "study")).text
    assert "The smallest that ties within 10 % of the best error is trial 1." in text
    assert "The cheapest to train within 10 % of the best error is trial 0." in text


def test_a_report_tells_when_a_study_was_resumed_and_what_was_new_then(engine: Engine) -> None:
    began = {"sweep": "0.1.0", "packages": {"torch": "2.14.1"}, "gpus": []}
    again = [
        {**began, "at": 0.0},
        {**began, "packages": {"torch": "2.15.0"}, "at": 86400.0},
    ]
    add_trial(engine, add_study(engine, provenance={**began, "resumed": again}), 0, 0.1)
    text = Page(render(engine, "study")).text
    assert "1970-01-01 00:00 UTC; 1970-01-02 00:00 UTC, with torch 2.15.0" in text


def test_a_report_says_what_really_trained(engine: Engine) -> None:
    study_id = add_study(engine, provenance={"sweep": "0.1.0", "trainer": "auto"})
    add_trial(engine, study_id, 0, 0.1)
    worker = {
        **{"study_id": study_id, "name": "w0", "host": "box", "pid": 1, "device": "0"},
        **{"state": "gone", "n_finished": 7, "started_at": EPOCH, "seen_at": EPOCH},
        **{"trainer": "reference", "fallback_reason": "no Triton\n  here"},
    }
    add_rows(engine, schema.sweep_workers, worker)
    text = Page(render(engine, "study")).text
    assert "reference (7 trials)" in text and "no Triton here" in " ".join(text.split())
    assert "auto" not in re.findall(r"trainer\s+(\w+)", text)


def test_a_report_tells_ties_by_what_was_trained_again(engine: Engine) -> None:
    study_id = add(engine)
    for number in range(5):
        add_trial(engine, study_id, number, 0.1)
    child = add_study(
        engine, "study-ties", provenance=open_study(engine, "study").record().provenance
    )
    made = open_study(engine, "study").key.identity[1]
    of = Retrained(study="study", study_created_at=made, numbers=[4, 2, 0])
    add_attributes(engine, child, of.attributes)
    add_tying(engine, child)
    text = Page(render(engine, "study")).text
    assert "new seeds, with which study study-ties retrained them" in text
    assert "The smallest that ties within 10 % of the best error is trial 2." in text
    assert "The cheapest to train within 10 % of the best error is trial 4." in text


def test_a_report_tells_what_codes_are_worth_or_that_nobody_looked(engine: Engine) -> None:
    fill(engine)
    assert (
        "No probe results yet. sweep analyse study analyses the best network of each width"
        in Page(render(engine, "study")).text
    )
    add_probe(engine, 3, width=32, key=data_key(SHA256, 0.1, 0))
    page = Page(render(engine, "study"))
    assert "chart-code" in page.ids
    assert "The code of 32 units (trial 2)" in page.text


def test_a_report_tells_what_limits_the_best_of_each_width(report: str) -> None:
    texts = [text.strip() for text in Page(report).texts if text.strip()]
    *_, at = (
        n for n, of in enumerate(texts) if of.startswith("What limits the best trial of each")
    )
    shown = texts[at : texts.index("What the copies look like, and where they are wrong")]
    assert "too few epochs" in shown
    assert any(of.startswith("twice the epochs would lower the error by") for of in shown)


def test_a_report_names_the_command_that_tells_where_the_difference_comes_from(
    report: str,
) -> None:
    page = Page(report)
    assert "sweep explain study --run" in page.text
    assert "chart-waterfall" not in page.ids


def test_a_report_shows_the_waterfall_as_far_as_it_is_trained(engine: Engine) -> None:
    fill(engine)
    ends = (TrialConfig(), TrialConfig(epochs=50))
    add_explanation(engine, "study", *ends, {ends[0]: (0.02, 0.03), ends[1]: (0.01, 0.012)})
    page = Page(render(engine, "study"))
    assert {"chart-waterfall", "chart-waterfall-back"} <= set(page.ids)
    assert "in the study study-explain" in page.text
    assert "What helps most alone is epochs 5 → 50: 2.24 times less error" in page.text
    assert page.text.count("This explains trial 1; the best now is trial 23") == 2  # in short, too


def test_a_report_does_not_show_an_explanation_of_another_study_of_its_name(
    engine: Engine,
) -> None:
    add_study(engine, "study", created_at=EPOCH - 1)
    ends = (TrialConfig(), TrialConfig(epochs=50))
    add_explanation(engine, "study", *ends, {ends[0]: (0.02, 0.03), ends[1]: (0.01, 0.012)})
    annotate.delete_study(engine, "study")
    fill(engine)
    page = Page(render(engine, "study"))
    assert "chart-waterfall" not in page.ids
    assert "Study 'study-explain' explains another study that was named 'study'" in page.text


def test_a_report_shows_how_good_the_trials_are_as_a_whole(report: str) -> None:
    page = Page(report)
    assert "chart-edf" in page.ids
    share = "75 % of 24 finished trials have a lower validation error than the baseline"
    assert share in page.text


def test_settings_are_shown_one_by_one_but_the_width_where_it_belongs(report: str) -> None:
    slices = [name for name in Page(report).ids if name.startswith("chart-slice")]
    assert slices == ["chart-slice-activation"]


def test_the_curves_of_many_trials_are_there_when_some_were_pruned(engine: Engine) -> None:
    fill(engine)
    assert "chart-intermediate" not in Page(render(engine, "study")).ids
    add_trial(engine, 1, 24, 0.3, state="PRUNED", curve=[0.4, 0.3])
    assert "chart-intermediate" in Page(render(engine, "study")).ids


def test_of_many_invalid_trials_the_first_are_named(engine: Engine) -> None:
    study_id = add(engine)
    for number in range(52):
        add_trial(engine, study_id, number, 0.1, invalid=True)
    text = Page(render(engine, "study")).text
    assert "Trial 49 and 2 more" in text


def test_a_report_says_how_to_repeat_the_study(report: str) -> None:
    text = Page(report).text
    assert 'name = "study"' in text
    for fact in ("abc1234", SHA256, "10 % of the training images", "sweep start study.toml"):
        assert fact in text


def test_a_study_without_trials_has_a_report(engine: Engine) -> None:
    add(engine, phase="new")
    html = render(engine, "study")
    page = Page(html)
    assert "No trial has finished yet (none yet)." in page.text
    assert "Nothing to compare yet" in page.text
    assert "plotly" not in html.lower().replace("js-plotly-plot", "").replace("/* plotly", "")


def test_a_study_of_one_trial_has_a_report(engine: Engine) -> None:
    add_pictured(engine, add(engine), 0, 0.02)
    page = Page(render(engine, "study"))
    assert "That is the baseline." in page.text
    assert "the limit is training, not the width" in page.text
    assert "settings" not in page.ids  # nothing differs


def test_a_chart_of_one_width_gives_way_to_what_it_needs(engine: Engine) -> None:
    add_pictured(engine, add(engine), 0, 0.02)
    page = Page(render(engine, "study"))
    assert not {"chart-width", "chart-width-law", "chart-history"} & set(page.ids)
    assert "it needs finished trials of two widths" in page.text
    assert "it needs two trials with a value" in page.text
    # Several questions that lack the same are told so once.
    assert page.text.count("it needs finished trials of two widths") == 1
    assert "How well do the codes predict the labels?" not in page.text
    assert "A study of more widths would show it: sweep start FILE --name OTHER" in page.text


def test_a_study_of_failures_has_a_report_with_the_reasons(engine: Engine) -> None:
    study_id = add(engine)
    for number in range(12):
        add_trial(engine, study_id, number, state="FAIL", reason="out of memory")
    add_trial(engine, study_id, 12, state="FAIL", outcome=Outcome.DIVERGED)
    text = Page(render(engine, "study")).text
    assert "No trial can be judged yet: of 13 trials, 1 diverged, 12 failed." in text
    assert "out of memory 12 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 …" in text
    assert "no reason was recorded 1 12" in text


def test_a_study_that_is_still_running_has_a_report(engine: Engine) -> None:
    study_id = add(engine, phase="running")
    add_trial(engine, study_id, 0, state="RUNNING", curve=[0.1])
    add_trial(engine, study_id, 1, state="WAITING")
    assert "(1 running, 1 waiting)" in Page(render(engine, "study")).text


def test_only_pruned_trials_make_a_report(engine: Engine) -> None:
    add_trial(engine, add(engine), 0, 0.1, state="PRUNED")
    page = Page(render(engine, "study"))
    assert "left-out" in page.ids
    assert "width" not in page.ids


def test_several_objectives_show_the_pareto_set(engine: Engine) -> None:
    fill(engine, objectives=("val_mse", "hidden_width"))
    page = Page(render(engine, "study"))
    assert "By error alone, trial 23 has the best copies" in page.text
    assert "Best trade-offs of validation error and hidden width" in page.text
    assert "chart-pareto" in page.ids


def test_what_users_wrote_is_text_and_never_html(engine: Engine) -> None:
    evil = "<script>alert(1)</script><img src=x>"
    study_id = add(engine, description=evil, settings={"data": {**DATA, "name": evil}})
    add_pictured(engine, study_id, 0, 0.02)
    add_trial(engine, study_id, 1, state="FAIL", reason=evil)
    annotate.note(engine, "study", evil)
    annotate.note(engine, "study", evil, 0)
    annotate.tag(engine, "study", evil[:60], 0)
    annotate.invalidate(engine, "study", 1, evil)
    html = render(engine, "study")
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert Page(html).text.count("alert(1)") >= 6


def test_the_study_file_to_repeat_it_with_has_the_trials_of_now(engine: Engine) -> None:
    study_id = add(engine, settings={"budget": {"trials": 30}}, n_trials=36)
    add_pictured(engine, study_id, 0, 0.02)
    assert "trials = 36 # as of now; 30 in its own file" in Page(render(engine, "study")).text


def test_a_report_without_floors_does_without(engine: Engine) -> None:
    study_id = add_study(engine)
    add_pictured(engine, study_id, 0, 0.02)
    text = Page(render(engine, "study")).text
    assert "PCA" not in text


def test_an_unknown_study_is_an_error(engine: Engine) -> None:
    with pytest.raises(NotFoundError, match="no study 'other'"):
        render(engine, "other")


def test_a_browser_draws_every_chart_and_offers_no_upload(
    engine: Engine, tmp_path: Path, chromium: list[str]
) -> None:
    fill(engine)
    path = tmp_path / "report.html"
    html = render(engine, "study")
    for shown, n_drawn in ((html, 1), (html.replace("<details>", "<details open>"), None)):
        path.write_text(shown)
        command = [*chromium, "--virtual-time-budget=10000", "--dump-dom", path.as_uri()]
        dom = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        body = dom.stdout[dom.stdout.index("<body") :]
        n_plots = html.count('<div class="plot"')
        assert body.count('class="modebar-container"') == (n_drawn or n_plots)
        assert "Share chart" not in body
        assert "Content Security Policy" not in body


def test_the_two_settings_that_matter_most_are_shown_together(report: str) -> None:
    page = Page(report)
    assert "chart-contour" in page.ids
    assert "Best validation error by hidden width and activation" in page.text


def test_a_report_reads_with_the_same_few_statements_however_many_trials(engine: Engine) -> None:
    fill(engine)
    before = statements_of_a_report(engine)
    study_id = open_study(engine, "study").summary().study_id
    for number in range(24, 48):
        add_pictured(engine, study_id, number, 0.2, config=TrialConfig(hidden_width=number))
    after = statements_of_a_report(engine)
    assert len(before) == len(after) < 110
    assert [statement.looks_up("study") for statement in after].count(True) == 1


def statements_of_a_report(engine: Engine) -> list[Statement]:
    with count_statements(engine) as statements:
        render(engine, "study")
    return statements
