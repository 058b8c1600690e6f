"""Optuna's own suite for storages, on rows that we wrote and Optuna reads."""

from collections.abc import Iterator

import pytest
from optuna.testing.pytest_storages import StorageTestCase
from sqlalchemy import Engine

from sweep.store.memory import memory_store
from sweep.store.migrate import open_store
from tests.support.postgres import PostgresServer
from tests.support.written_storage import WrittenStorage


class WrittenStorageTestCase(StorageTestCase):
    """The suite; after each test, what Optuna read is what is in memory."""

    # A study's writer belongs to the process that holds its lease: there is none to be sent on.
    test_pickle_storage = None  # type: ignore[assignment]

    @pytest.fixture
    def storage(self, engine: Engine) -> Iterator[WrittenStorage]:
        storage = WrittenStorage(engine)
        yield storage
        try:
            for read, in_memory in storage.in_both():
                assert read == in_memory
        finally:
            storage.close()


@pytest.fixture(scope="module")
def in_memory() -> Iterator[Engine]:
    with memory_store() as engine:
        yield engine


class TestInMemory(WrittenStorageTestCase):  # which is SQLite
    @pytest.fixture
    def engine(self, in_memory: Engine) -> Engine:
        return in_memory


@pytest.fixture(scope="module")
def in_postgres(postgres_server: PostgresServer) -> Iterator[Engine]:
    engine = open_store(postgres_server.new_database(), create=True)
    yield engine
    engine.dispose()


class TestInPostgres(WrittenStorageTestCase):
    @pytest.fixture
    def engine(self, in_postgres: Engine) -> Engine:
        return in_postgres
