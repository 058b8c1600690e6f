"""Check optional packages, and name the extra that installs each."""

from importlib.util import find_spec

from sweep.errors import SweepError


def require_torch(what: str) -> None:
    """Raise SweepError unless PyTorch is installed; ``what`` is the subject of its message."""
    if find_spec("torch") is None:
        raise SweepError(
            f"{what} needs PyTorch, which is not installed: "
            "`pip install 'sweep-autoencoder[train]'`."
        )
