"""What every request must pass, and what every answer carries.

- With a password, every route but /healthz answers 401 without it (HTTP Basic with any user name,
  or ``Authorization: Bearer``).
- Without one, only requests addressed to this machine are answered, so that a page elsewhere
  cannot reach the dashboard by a name of its own that leads here (DNS rebinding).
- What is not a GET must come from our own page: same origin, and the token of our cookie repeated
  in a header, which other sites can neither read nor set.
- Headers keep the page to itself: no outside resource, no frame, no referrer, no sniffing.
"""

import hmac
import secrets
from collections.abc import Sequence
from urllib.parse import urlsplit

from flask import Flask, Response, abort, request

from sweep.dashboard.access import Access, is_loopback

HEALTH = "/healthz"

# What dash-renderer looks for.
_COOKIE, _HEADER = "_csrf_token", "X-CSRFToken"
_READING = {"GET", "HEAD", "OPTIONS"}


def protect(server: Flask, access: Access, inline_scripts: Sequence[str]) -> None:
    """Guard all routes of the server; ``inline_scripts`` are CSP hashes of what may run inline."""
    policy = _policy(inline_scripts)

    @server.before_request
    def check() -> None:
        if request.path == HEALTH:
            return
        if access.password is None:
            _demand_this_machine()
        else:
            _demand_password(access.password)
        if request.method not in _READING:
            _demand_our_own_page()

    @server.after_request
    def harden(response: Response) -> Response:
        response.headers.update(
            {
                "Content-Security-Policy": policy,
                "X-Frame-Options": "DENY",
                "Referrer-Policy": "no-referrer",
                "X-Content-Type-Options": "nosniff",
                "Cross-Origin-Opener-Policy": "same-origin",
                "Cross-Origin-Resource-Policy": "same-origin",
                "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
            }
        )
        if request.path != HEALTH and _COOKIE not in request.cookies:
            response.set_cookie(_COOKIE, secrets.token_urlsafe(24), samesite="Strict")
        return response


def _policy(inline_scripts: Sequence[str]) -> str:
    rules = {
        "default-src": "'self'",
        # No eval: Plotly's strict build (sweep.figures.plotlyjs) needs none, nor do the others.
        "script-src": " ".join(["'self'", *inline_scripts]),
        # Plotly, AG Grid and Mantine write their styles into the page.
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": "'self'",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _demand_this_machine() -> None:
    try:
        name = urlsplit(f"//{request.host}").hostname or ""
    except ValueError:  # [::1 without its end
        name = ""
    if not is_loopback(name):
        abort(403, "This dashboard answers requests to 127.0.0.1 or localhost only.")


def _demand_password(password: str) -> None:
    given = request.authorization
    offered = "" if given is None else given.password or given.token or ""
    if not hmac.compare_digest(offered.encode(), password.encode()):
        challenge = {"WWW-Authenticate": 'Basic realm="sweep", charset="UTF-8"'}
        abort(Response("The dashboard asks for its password.\n", 401, challenge))


def _demand_our_own_page() -> None:
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        abort(403, "This request comes from another site.")
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        abort(403, "This request comes from another site.")
    token = request.cookies.get(_COOKIE, "")
    offered = request.headers.get(_HEADER, "")
    if not token or not hmac.compare_digest(offered.encode(), token.encode()):
        abort(403, "This request lacks the page's token. Load the page again.")
