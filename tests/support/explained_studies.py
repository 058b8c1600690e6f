"""Studies that are trained for an explanation, by pretended workers."""

from sqlalchemy import update

from sweep.messages import TrialSpec
from sweep.store.engine import Engine, write_transaction
from sweep.store.handle import open_study
from sweep.store.schema import sweep_studies
from tests.support.fake_workers import DATA_SHA256, FakeLauncher, FakeWorker

#: Of a study that was trained on what the pretended workers train on.
DATA = {"data_sha256": DATA_SHA256}


class Pretended:
    """Pretended workers for every run of a study, and what they were given to train."""

    def __init__(self) -> None:
        self.trained: list[TrialSpec] = []
        self.n_runs = 0
        #: Raises before so many trials more have begun.
        self.fails_after = 10**9

    def __call__(self) -> FakeLauncher:
        self.n_runs += 1
        return FakeLauncher(self._epoch)

    def _epoch(self, worker: FakeWorker, spec: TrialSpec, epoch: int) -> None:
        if epoch == 1:
            self.trained.append(spec)
        if len(self.trained) > self.fails_after:
            raise RuntimeError("boom")


def change_data(engine: Engine) -> None:
    """Study ``x`` is of other data from now on."""
    with write_transaction(engine) as connection:
        of_study = sweep_studies.c.study_id == open_study(engine, "x").summary().study_id
        columns = {"provenance": {"data_sha256": "6" * 64}}
        connection.execute(update(sweep_studies).where(of_study).values(**columns))
