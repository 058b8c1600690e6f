"""The test house itself: databases that start empty, and a CI that skips nothing unseen."""

import pytest
from sqlalchemy import create_engine, inspect, text


def test_each_test_gets_an_empty_database(storage_url: str) -> None:
    engine = create_engine(storage_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE left_behind (x INTEGER)"))
    assert inspect(engine).get_table_names() == ["left_behind"]
    engine.dispose()


def test_two_databases_of_one_server_are_apart(postgres_url: str, postgres_server) -> None:
    assert postgres_server.new_database() != postgres_url


@pytest.fixture
def skipping(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """Run a file of skips under our plugin, with CI set or not."""
    monkeypatch.setattr("tests.skips._has_cuda", lambda: False)
    pytester.makeini("[pytest]\nmarkers =\n    gpu\n    root_only")
    pytester.makepyfile(
        """
        import pytest

        def test_runs(): pass

        def test_lacks_something(): pytest.skip("no server")

        @pytest.mark.skip("never")
        def test_marked(): pass

        @pytest.mark.xfail
        def test_known_bug(): raise AssertionError

        @pytest.mark.gpu
        def test_wants_a_gpu(): raise AssertionError
        """
    )

    def run(ci: str) -> dict[str, int]:
        monkeypatch.setenv("CI", ci)
        # Only our plugin is looked at: playwright's cannot run within itself, dash's warns.
        plugins = ("-p", "no:playwright", "-p", "no:dash", "-p", "tests.skips")
        return pytester.runpytest_inprocess(*plugins).parseoutcomes()

    return run


def test_a_skip_on_a_desk_is_a_skip(skipping) -> None:
    assert skipping(ci="") == {"passed": 1, "skipped": 3, "xfailed": 1}


def test_a_skip_in_ci_fails_unless_it_waits_for_a_gpu(skipping) -> None:
    assert skipping(ci="true") == {
        "passed": 1,
        "skipped": 1,
        "failed": 1,
        "errors": 1,
        "xfailed": 1,
    }


def test_a_module_that_skips_itself_fails_in_ci(skipping, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_other='import pytest\npytest.importorskip("no_such_module")')
    assert skipping(ci="true")["errors"] >= 1
