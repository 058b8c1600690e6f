"""Check every request, and set the headers of every answer.

- With a password, every route except /healthz answers 401 without it (HTTP Basic with any user
  name, or ``Authorization: Bearer``).
- Without one, only requests addressed to this machine are answered, so that a foreign page
  cannot reach the dashboard by a domain name that resolves to this machine (DNS rebinding).
- Other sites may link here; any other request from them is rejected.
- A request other than GET must come from our own page: same origin, and the token of our cookie
  repeated in a header, which other sites can neither set nor repeat.
- Headers isolate the page: no outside resource, no frame, no referrer, no sniffing, and no
  copy in a cache.
"""

import hmac
import secrets
from collections.abc import Sequence
from urllib.parse import urlsplit

from dash.exceptions import DependencyException
from flask import Flask, Response, abort, request

from sweep.dashboard import limits
from sweep.dashboard.access import Access, is_loopback

HEALTH = "/healthz"

# The names that dash-renderer uses.
_COOKIE, _HEADER = "_csrf_token", "X-CSRFToken"
_READING = {"GET", "HEAD", "OPTIONS"}
_OWN_SITE = ("same-origin", "none")


def protect(server: Flask, access: Access, inline_scripts: Sequence[str]) -> None:
    """Guard all routes of the server; ``inline_scripts`` are CSP hashes of what may run inline."""
    policy = _policy(inline_scripts)
    server.config["MAX_CONTENT_LENGTH"] = limits.BODY_BYTES

    @server.before_request
    def check() -> None:
        if request.path == HEALTH:
            return
        if access.password is None:
            _demand_this_machine()
        else:
            _demand_password(access.password)
        _refuse_other_sites()
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
        response.headers.setdefault("Cache-Control", "no-store")
        if request.path != HEALTH and _COOKIE not in request.cookies:
            token = secrets.token_urlsafe(24)
            response.set_cookie(_COOKIE, token, samesite="Strict", secure=request.is_secure)
        return response

    @server.errorhandler(DependencyException)
    def unknown_script(_: DependencyException) -> Response:
        return Response("There is no such script.\n", 404, mimetype="text/plain")


def _policy(inline_scripts: Sequence[str]) -> str:
    rules = {
        "default-src": "'self'",
        # No eval: neither Plotly's strict build (sweep.figures.plotlyjs) nor the others need it.
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
    if not is_loopback(_part_of_url(f"//{request.host}", "hostname")):
        abort(403, "This dashboard answers requests addressed to this machine only.")


def _part_of_url(url: str, part: str) -> str:
    """Return a part of a URL; empty if it has none or is not a URL, such as ``http://[``."""
    try:
        return getattr(urlsplit(url), part) or ""
    except ValueError:
        return ""


def _demand_password(password: str) -> None:
    if not hmac.compare_digest(_offered_password(), password.encode()):
        challenge = {"WWW-Authenticate": 'Basic realm="sweep", charset="UTF-8"'}
        abort(Response("The dashboard needs its password.\n", 401, challenge))


def _offered_password() -> bytes:
    given = request.authorization
    if given is not None and given.type == "basic":
        return (given.password or "").encode(errors="replace")
    if given is not None and given.type == "bearer":
        return (given.token or "").encode("latin-1", errors="replace")  # as WSGI decodes headers
    return b""


def _refuse_other_sites() -> None:
    """Reject other sites' requests by Origin and Referer too.

    Old browsers, and all browsers on plain HTTP between machines, send no Sec-Fetch-Site.
    """
    is_link = (
        request.method in _READING
        and request.headers.get("Sec-Fetch-Mode") == "navigate"
        and request.headers.get("Sec-Fetch-Dest") == "document"
    )
    if not is_link and request.headers.get("Sec-Fetch-Site", "none") not in _OWN_SITE:
        abort(403, "This request comes from another site.")


def _demand_our_own_page() -> None:
    origin = request.headers.get("Origin")
    if origin is not None and _part_of_url(origin, "netloc") != request.host:
        abort(403, "This request comes from another site.")
    token = request.cookies.get(_COOKIE, "")
    offered = request.headers.get(_HEADER, "")
    if not token or not hmac.compare_digest(_bytes(offered), _bytes(token)):
        abort(403, "This request lacks the page's token. Reload the page.")


def _bytes(text: str) -> bytes:
    return text.encode(errors="replace")
