"""Decide who may open the dashboard, and who may write through it."""

import ipaddress
from dataclasses import dataclass, field

from sweep.errors import UsageError

_LEAST_LETTERS = 8


@dataclass(frozen=True, kw_only=True)
class Access:
    """Where the dashboard listens and what it lets people do.

    Raises UsageError for a host that others can reach without a password, and for a password that
    is too short or not text.
    """

    host: str = "127.0.0.1"
    port: int = 8050
    #: Required by every route except /healthz; None on this machine only.
    password: str | None = field(default=None, repr=False)
    allow_edit: bool = False
    #: Whether /metrics answers Prometheus, under the same password as every other route.
    metrics: bool = False

    def __post_init__(self) -> None:
        if self.password is None and not is_loopback(self.host):
            raise UsageError(
                f"--host {self.host}: others can reach it, so it needs a password. Set "
                "SWEEP_DASHBOARD_PASSWORD, or SWEEP_DASHBOARD_PASSWORD_FILE to the path of a file."
            )
        if self.password is not None:
            _check_password(self.password)

    @property
    def url(self) -> str:
        """Return the address for a browser on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def _check_password(password: str) -> None:
    if len(password) < _LEAST_LETTERS:
        raise UsageError(f"the dashboard's password needs at least {_LEAST_LETTERS} letters.")
    try:
        password.encode()
    except UnicodeEncodeError:
        raise UsageError("the dashboard's password is not UTF-8 text.") from None


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach the host."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
