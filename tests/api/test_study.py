"""Studies as notebooks see them: frames, records, pictures."""

import csv
import io
from dataclasses import asdict

import numpy as np
import polars
import pytest

import sweep
from sweep.cli.export import to_csv
from sweep.errors import NotFoundError, UsageError
from sweep.store import annotate, schema
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from tests.support.spectrum_factories import BANDS, by_the_law, pack
from tests.support.store_factories import add_rows, add_study, add_trial, strip_png


def test_trials_have_the_columns_of_the_csv_export(store: Engine, study: sweep.Study) -> None:
    frame = study.trials()
    (header, *lines) = csv.reader(io.StringIO(to_csv(open_study(store, "study").trials())))
    assert frame.columns == header
    assert frame["number"].to_list() == [int(line[0]) for line in lines]
    assert frame["params_hidden_width"].to_list() == [16, 64, 32, None]


def test_columns_keep_their_types(study: sweep.Study) -> None:
    schema = study.trials().schema
    assert schema["value"] == polars.Float64
    assert schema["params_hidden_width"] == polars.Int64
    assert schema["params_activation"] == polars.String
    assert schema["datetime_start"] == polars.Datetime("us", "UTC")


def test_the_best_come_first(study: sweep.Study) -> None:
    assert study.best(2)["number"].to_list() == [1, 2]


def test_curves_have_a_row_an_epoch_of_a_trial(study: sweep.Study) -> None:
    frame = study.curves([1, 2])
    assert frame["number"].to_list() == [1, 1, 2, 2]
    assert frame["epoch"].to_list() == [1, 2, 1, 2]
    assert frame["val_mse"].to_list() == [0.4, 0.1, 0.4, 0.2]


def test_a_trial_is_the_record_that_the_command_line_shows(
    store: Engine, study: sweep.Study
) -> None:
    assert study.trial(1) == open_study(store, "study").trial(1)
    with pytest.raises(NotFoundError, match="no trial 9 in study 'study': its trials are 0 to 3"):
        study.trial(9)


def test_findings_of_a_trial_are_sentences_and_tables(study: sweep.Study) -> None:
    found = study.trial_findings(1)
    assert found.sentences[0].startswith("It has too few epochs: ")
    assert {"name": "hidden_width", "value": 784, "searched": True} in found.settings.records()


def test_studies_have_a_row_each(store: Engine, study: sweep.Study) -> None:
    add_study(store, "another")
    frame = sweep.open(str(store.url)).studies()
    assert frame["study_name"].to_list() == ["another", "study"]
    assert frame["complete"].to_list() == [0, 3]
    assert frame["best_value"].to_list() == [None, 0.1]


def test_a_study_says_how_it_is(study: sweep.Study) -> None:
    assert (
        repr(study)
        == "<Study 'study': finished, 3 of 20 trials finished, best val_mse 0.1000 (trial 1)>"
    )
    assert "3 of 20 trials finished" in study._repr_html_()


def test_a_name_cannot_write_into_a_notebooks_page(store: Engine) -> None:
    add_study(store, "<script>alert(1)</script>")
    study = sweep.open(str(store.url)).study("<script>alert(1)</script>")
    assert "<script>" not in study._repr_html_()
    assert "&lt;script&gt;" in study._repr_html_()


def test_reconstructions_are_arrays_of_ten_images(store: Engine, study: sweep.Study) -> None:
    trial_id = 2  # of trial 1
    pngs = {"reconstructions_png": strip_png(grey=10), "errors_png": strip_png(grey=2)}
    add_rows(store, schema.sweep_reconstructions, {"trial_id": trial_id, **pngs})
    with store.begin() as connection:
        connection.execute(schema.sweep_studies.update().values(originals_png=strip_png()))
    found = study.reconstructions(1)
    assert found.copies.shape == found.originals.shape == found.errors.shape == (10, 28, 28)
    assert found.copies.dtype == np.uint8
    assert found.copies[:, 0, 0].tolist() == [10 * place for place in range(10)]
    with pytest.raises(NotFoundError, match="were not kept. Kept: trials 1."):
        study.reconstructions(0)


def test_weights_that_were_not_kept_are_refused_with_the_command_lines_message(
    study: sweep.Study,
) -> None:
    with pytest.raises(NotFoundError, match="weights of trial 1 of study 'study' were not kept"):
        study.load_model(1)


def test_a_figure_is_drawn_by_its_name(study: sweep.Study) -> None:
    assert {"width", "history"} <= {*study.figures()}
    drawn = study.figure("history")
    assert type(drawn).__module__.startswith("plotly.")
    with pytest.raises(UsageError, match="unknown figure 'histroy'. Did you mean 'history'"):
        study.figure("histroy")


def test_a_deleted_study_is_not_taken_for_an_empty_one(store: Engine, study: sweep.Study) -> None:
    annotate.delete_study(store, "study")
    with pytest.raises(NotFoundError, match="was deleted"):
        study.trials()


def test_it_reads_a_study_that_runs(store: Engine, study: sweep.Study) -> None:
    before = len(study.trials())
    with store.execution_options(sweep_writes=True).begin():  # a coordinator in a transaction
        assert len(study.trials()) == before


def test_error_spectra_have_a_row_a_band_of_an_epoch(store: Engine, study: sweep.Study) -> None:
    assert len(study.spectra()) == 0
    study_id = add_study(store, "spectral", spectrum_bands=asdict(BANDS))
    points = by_the_law(0.3, [1, 2])
    add_trial(store, study_id, 0, 0.1, curve=[0.4, 0.1], spectra=pack(points))
    frame = sweep.open(str(store.url)).study("spectral").spectra([0])
    assert len(frame) == 2 * 15  # one of 16 bands has no direction
    first = frame.row(0, named=True)
    assert (first["epoch"], first["first_component"], first["last_component"]) == (1, 1, 1)
    assert first["missing"] == pytest.approx(0.5 ** (10.0 / 0.3), rel=1e-5)
    assert sum(frame["error"][:15]) == pytest.approx(sum(points[0].errors), rel=1e-5)


def test_without_a_url_the_environment_names_the_database(
    store: Engine, study: sweep.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", str(store.url))
    assert repr(sweep.open()) == f"<Database {store.url}: study>"


def test_findings_are_sentences_and_tables_that_a_notebook_displays(study: sweep.Study) -> None:
    found = study.findings()
    assert found.headline in found._repr_html_()
    assert found.sentences[0] == found.headline
    assert "Best configurations" in [table.title for table in found.tables.values()]
