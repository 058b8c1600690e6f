"""How weights are written."""

from pathlib import Path

import pytest

from sweep.store.artifacts import write_artifact


def test_weights_are_one_file(tmp_path: Path) -> None:
    name = write_artifact(tmp_path / "new", "x", 3, b"weights")
    assert name.startswith("x-3-") and name.endswith(".safetensors")
    assert [path.read_bytes() for path in (tmp_path / "new").iterdir()] == [b"weights"]


def test_weights_that_are_not_whole_do_not_have_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seen = Path.write_bytes, []

    def write(path: Path, content: bytes) -> int:
        real(path, content[:3])
        seen.extend(path.suffix for path in tmp_path.iterdir())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(OSError, match="No space"):
        write_artifact(tmp_path, "x", 3, b"weights")
    assert seen == [".writing"]
    assert not list(tmp_path.iterdir())
