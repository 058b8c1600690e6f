"""The made-up study has what a real one has, of each trial and of the best of each width."""

from pathlib import Path

from sqlalchemy import func, select

from sweep.analysis.study_diagnosis import best_of_widths
from sweep.analysis.study_probes import study_probes
from sweep.store import schema
from sweep.store.handle import open_study
from tests.support.store_factories import sqlite_store
from tests.support.synthetic import add_study

N = 400


def test_it_looked_into_every_trial_that_ended_as_the_best_of_its_width(tmp_path: Path) -> None:
    engine = sqlite_store(tmp_path)
    add_study(engine, "x", N)
    best = best_of_widths(open_study(engine, "x").table())
    probes, inside = open_study(engine, "x").probes(), open_study(engine, "x").decompositions()
    assert probes.keys() == inside.keys()
    assert len(best) > 10 and set(best) < probes.keys()
    assert len(probes) < N / 3  # not of all: that would be slower to read than any real study
    found = study_probes(open_study(engine, "x"))
    assert found is not None and [of.number for of in found.best] == best
    with engine.connect() as connection:
        n_results = connection.scalar(select(func.count()).select_from(schema.sweep_results))
    assert n_results == open_study(engine, "x").summary().counts["COMPLETE"]
