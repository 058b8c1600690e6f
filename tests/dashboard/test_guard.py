"""Who gets in, what may be written from where, and what every answer carries."""

import base64

import pytest
from flask.testing import FlaskClient

from sweep.dashboard import Access, create_app
from sweep.dashboard.access import is_loopback
from sweep.errors import UsageError
from sweep.store.engine import Engine

PASSWORD = "correct horse"
LAYOUT = "/_dash-layout"
UPDATE = "/_dash-update-component"


@pytest.fixture
def guarded(engine: Engine) -> FlaskClient:
    access = Access(host="0.0.0.0", password=PASSWORD)
    return create_app(engine, access).server.test_client()


def basic(password: str, user: str = "anyone") -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_another_host_needs_a_password(host: str) -> None:
    with pytest.raises(UsageError, match="SWEEP_DASHBOARD_PASSWORD"):
        Access(host=host)
    assert Access(host=host, password=PASSWORD).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "::1", "127.9.9.9"])
def test_this_machine_needs_none(host: str) -> None:
    assert is_loopback(host)
    assert Access(host=host).password is None


def test_a_short_password_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 8"):
        Access(host="0.0.0.0", password="short")


def test_a_password_is_not_in_what_is_printed() -> None:
    assert PASSWORD not in repr(Access(host="0.0.0.0", password=PASSWORD))


def test_every_route_but_health_asks_for_the_password(guarded: FlaskClient) -> None:
    routes = [rule.rule for rule in guarded.application.url_map.iter_rules() if rule.methods]
    assert len(routes) > 8
    for route in routes:
        path = route.replace("<", "").replace(">", "").replace("path:", "").replace("string:", "")
        expected = 200 if path == "/healthz" else 401
        assert guarded.get(path).status_code == expected, route
        if path != "/healthz":
            assert guarded.post(path).status_code == 401, route
    assert guarded.get("/no/such/page").status_code == 401
    assert guarded.get("/assets/sweep.js").status_code == 401


def test_the_browser_is_asked_for_it(guarded: FlaskClient) -> None:
    assert guarded.get("/").headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    "headers",
    [basic(PASSWORD), basic(PASSWORD, user=""), {"Authorization": f"Bearer {PASSWORD}"}],
)
def test_the_password_opens(guarded: FlaskClient, headers: dict[str, str]) -> None:
    assert guarded.get(LAYOUT, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        basic("wrong horse"),
        basic(""),
        basic(PASSWORD + "x"),
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer ü"},
        {"Authorization": "nonsense"},
        {"Authorization": f"Token {PASSWORD}"},
        {"Authorization": f"Digest {PASSWORD}"},
        {"Authorization": f"Negotiate {PASSWORD}"},
    ],
)
def test_anything_else_does_not(guarded: FlaskClient, headers: dict[str, str]) -> None:
    assert guarded.get(LAYOUT, headers=headers).status_code == 401


def test_a_password_with_an_umlaut_opens_either_way(engine: Engine) -> None:
    password = "pässwört"
    client = create_app(engine, Access(password=password)).server.test_client()
    # As curl sends it: bytes of UTF-8, which WSGI shows as Latin-1.
    sent = f"Bearer {password}".encode().decode("latin-1")
    assert client.get(LAYOUT, headers={"Authorization": sent}).status_code == 200
    assert client.get(LAYOUT, headers=basic(password)).status_code == 200


def test_a_password_that_is_no_text_is_refused_at_the_start() -> None:
    with pytest.raises(UsageError, match="not UTF-8"):
        Access(password="p\udcffassword")


def test_a_name_that_only_leads_here_is_refused(client: FlaskClient) -> None:
    assert client.get(LAYOUT, headers={"Host": "127.0.0.1:8050"}).status_code == 200
    assert client.get(LAYOUT, headers={"Host": "localhost"}).status_code == 200
    assert client.get(LAYOUT, headers={"Host": "evil.example:8050"}).status_code == 403
    assert client.get(LAYOUT, headers={"Host": "[::1"}).status_code in (400, 403)


def token_of(client: FlaskClient) -> str:
    client.get("/")
    cookie = client.get_cookie("_csrf_token")
    assert cookie is not None
    assert cookie.same_site == "Strict"
    return cookie.value


def test_a_request_that_may_write_repeats_the_token(client: FlaskClient) -> None:
    token = token_of(client)
    assert client.post(UPDATE, json={}).status_code == 403
    for guess in ("guess", "gueß"):
        assert client.post(UPDATE, json={}, headers={"X-CSRFToken": guess}).status_code == 403
    assert client.post(UPDATE, json={}, headers={"X-CSRFToken": token}).status_code != 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:1"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://[::1"},
        {"Origin": "\u00ff"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_request_of_another_site_is_refused(client: FlaskClient, headers: dict[str, str]) -> None:
    headers = {"X-CSRFToken": token_of(client), **headers}
    assert client.post(UPDATE, json={}, headers=headers).status_code == 403


LINK = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("path", ["/", LAYOUT, "/api/trials", "/no/such", "/assets/sweep.js"])
def test_another_site_may_link_here_and_nothing_else(
    client: FlaskClient, path: str, site: str
) -> None:
    there = {"Sec-Fetch-Site": site}
    with client.get(path, headers={**there, **LINK}) as answer:
        assert answer.status_code == 200
    frame = {**LINK, "Sec-Fetch-Dest": "iframe"}
    for how in ({}, {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, frame):
        assert client.get(path, headers={**there, **how}).status_code == 403
    assert client.post(path, headers={**there, **LINK}).status_code == 403


@pytest.mark.parametrize("path", ["/_dash-component-suites/x/y", "/_dash-component-suites/dash/y"])
def test_a_script_that_is_not_there_is_not_found(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/", LAYOUT, "/api/revision", "/api/trials?study=small", "/no"])
def test_no_answer_with_data_is_kept_in_a_cache(client: FlaskClient, path: str) -> None:
    assert client.get(path).headers["Cache-Control"] == "no-store"


def test_the_cookie_is_for_tls_alone_where_the_request_came_over_it(client: FlaskClient) -> None:
    assert "Secure" not in client.get("/").headers["Set-Cookie"]
    client.delete_cookie("_csrf_token")
    assert "Secure" in client.get("/", base_url="https://localhost").headers["Set-Cookie"]


def test_no_token_at_all_does_not_match_an_empty_header(client: FlaskClient) -> None:
    assert client.post(UPDATE, json={}, headers={"X-CSRFToken": ""}).status_code == 403


@pytest.mark.parametrize("path", ["/", LAYOUT, "/healthz", "/assets/sweep.js", "/api/revision"])
def test_every_answer_keeps_the_page_to_itself(client: FlaskClient, path: str) -> None:
    with client.get(path) as answer:
        headers = answer.headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy.split("script-src")[1].split(";")[0]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_names_no_other_machine(client: FlaskClient) -> None:
    text = client.get("/").get_data(as_text=True)
    assert "http://" not in text
    assert "https://" not in text
