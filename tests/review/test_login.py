"""
The doors of the review page: its token, proxies before it, the login under attack, logging out.
"""

import contextlib
import socket
import threading
import time
from base64 import b64decode, b64encode

import httpx
import itsdangerous
import orjson
import pytest
import uvicorn
from ports import free_port
from reviewer import Reviewer, people
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from flagstone.errors import UntrustedProxyError
from flagstone.review import create_app
from flagstone.review.auth.attempts import WITHIN, Attempts, Slot, keys_of
from flagstone.stores.memory import MemoryStore
from flagstone.testing import make_flag

HTML = {"accept": "text/html"}


@pytest.fixture
def store():
    store = MemoryStore()
    store.append([make_flag("what nobody else may see")])
    return store


@contextlib.contextmanager
def running(app, **config):
    """Serve *app* by a real server, and say where."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", **config))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            thread.join(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def proxy_to(upstream: str) -> Starlette:
    """A reverse proxy as nginx is with nothing but `proxy_pass`: it tells nothing of who asks."""

    async def forward(request: Request) -> Response:
        kept = {name: text for name, text in request.headers.items() if name != "host"}
        async with httpx.AsyncClient(base_url=upstream) as client:
            answer = await client.request(
                request.method, request.url.path, params=request.query_params, headers=kept,
                content=await request.body(),
            )  # fmt: skip
        return Response(answer.content, answer.status_code, dict(answer.headers))

    return Starlette(routes=[Route("/{path:path}", forward, methods=["GET", "POST"])])


# --- the token ----------------------------------------------------------------------------------


def stranger_of(reviewer: Reviewer) -> Reviewer:
    """Somebody at the same machine who has not got the token."""
    stranger = reviewer.another()
    stranger.http.cookies.clear()
    return stranger


def test_this_machine_is_not_enough(store):
    """
    Without the token every page is closed to whoever asks from this machine.
    """
    stranger = stranger_of(Reviewer(store))
    for path in ("/", "/rows", "/flag?id=x", "/file", "/records", "/dashboard", "/news", "/decide"):
        seen, asked = stranger.http.get(path, headers=HTML), stranger.http.get(path)
        posted = stranger.http.post(path, json={})
        assert (seen.status_code, asked.status_code, posted.status_code) == (303, 401, 401)
        assert seen.headers["location"].startswith("/open?to=%2F")

    door = stranger.http.get("/open")

    assert door.status_code == 401
    assert "what nobody else may see" not in door.text
    assert store.state(next(iter(store.find())).id).reviews == ()


def test_the_address_with_the_token_opens_the_page(store):
    """
    The token goes from the address into a cookie that no script reads and no other site sends.
    """
    reviewer = Reviewer(store)
    stranger = stranger_of(reviewer)
    token = reviewer.app.token

    answer = stranger.http.get("/flag", params={"id": "x", "token": token, "q": "tag:a b"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/flag?id=x&q=tag%3Aa+b")
    assert answer.headers["referrer-policy"] == "no-referrer"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert token not in cookie
    assert "what nobody else may see" in stranger.get("/").text
    assert stranger.http.get("/", params={"token": token}).headers["location"] == "/"


@pytest.mark.parametrize("token", ["", "x", "\0", "é", "x" * 60_000, None])
def test_another_token_opens_nothing(store, token):
    """
    A token that is wrong, of whatever size, is answered with the door.
    """
    reviewer = Reviewer(store)
    stranger = stranger_of(reviewer)
    given = reviewer.app.token[:-1] if token is None else token

    assert stranger.http.get("/", params={"token": given}).status_code == 401
    answer = stranger.http.get("/", params={"token": given}, headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, "/open?to=%2F")
    assert stranger.http.post("/", params={"token": reviewer.app.token}).status_code == 401


def test_the_token_can_be_entered(store):
    """
    The door takes the token in a form, and leads to the page that was asked for.
    """
    reviewer = Reviewer(store)
    stranger = stranger_of(reviewer)
    stranger.get("/open?to=%2Fflag%3Fid%3Dx")
    form = {"token": stranger.token, "to": "/flag?id=x"}

    wrong = stranger.http.post("/open", data={**form, "key": "guess"})
    foreign = stranger.http.post("/open", data={"key": reviewer.app.token})
    right = stranger.http.post("/open", data={**form, "key": f" {reviewer.app.token}\n"})

    assert (wrong.status_code, foreign.status_code) == (401, 403)
    assert "Wrong token." in wrong.text
    assert (right.status_code, right.headers["location"]) == (303, "/flag?id=x")
    assert stranger.get("/").status_code == 200


def test_a_program_that_mounts_it_has_the_token(store, caplog):
    """
    A token is made up where none is given; it is logged once and an attribute of the app.
    """
    made, given = create_app(store), create_app(store, token="given")

    assert caplog.text.count(made.token) == 1
    assert len(made.token) >= 40
    assert made.token != create_app(store).token
    assert given.token == "given"
    assert "given" not in caplog.text
    with pytest.raises(ValueError, match="the token must not be empty"):
        create_app(store, token="")


def test_two_pages_on_one_machine_do_not_close_each_other(store):
    """
    Browsers send the cookies of one port to all others: each page has one of its own name.
    """
    first, second = Reviewer(store), Reviewer(store)
    first.http.cookies.update(second.http.cookies)
    second.http.cookies.update(first.http.cookies)

    assert [r.http.get("/").status_code for r in (first, second, first)] == [200, 200, 200]


# --- proxies ------------------------------------------------------------------------------------


def test_a_proxy_on_this_machine_opens_nothing(store):
    """
    Through a reverse proxy that only passes on, a stranger gets the door, whatever they claim.
    """
    claims = [{}, {"x-forwarded-for": "127.0.0.1"}, {"forwarded": "for=127.0.0.1"},
              {"x-real-ip": "::1"}, {"x-user": "root"}]  # fmt: skip
    app = create_app(store)
    with running(app) as upstream, running(proxy_to(upstream)) as outside:
        for claim in claims:
            answer = httpx.get(outside, headers={**claim, **HTML}, follow_redirects=True)
            assert answer.status_code == 401
            assert "what nobody else may see" not in answer.text
        opened = httpx.get(outside, params={"token": app.token}, headers=HTML)
        cookies = opened.cookies
        assert "what nobody else may see" in httpx.get(outside, cookies=cookies).text


@pytest.mark.parametrize("path", ["", "/review"])
def test_a_server_that_believes_headers_opens_nothing(store, path):
    """
    Mounted under a server that lets anybody choose an address, that address opens nothing.
    """
    closed = {"x-forwarded-for": "127.0.0.1", "x-user": "root", **HTML}
    apps = [create_app(store, token="token"), create_app(
        store, trusted_header="X-User", proxies=["127.0.0.1"], trust_proxy_address=True
    )]  # fmt: skip
    for app in apps:
        outer = Starlette(routes=[Mount(path, app)]) if path else app
        with running(outer, proxy_headers=True, forwarded_allow_ips="*") as url:
            answer = httpx.get(f"{url}{path}/", headers=closed, follow_redirects=True)
            assert answer.status_code in (401, 403)
            assert "what nobody else may see" not in answer.text


SECRET = {"x-proxy-secret": "s3cret"}


@pytest.mark.parametrize(
    ("client", "options", "headers", "status"),
    [
        ("127.0.0.1", {"proxy_secret": "s3cret"}, SECRET, 200),
        ("127.0.0.1", {"proxy_secret": "s3cret"}, {}, 403),
        ("127.0.0.1", {"proxy_secret": "s3cret"}, {"x-proxy-secret": "guess"}, 403),
        ("10.0.0.9", {"proxy_secret": "s3cret"}, SECRET, 403),
        ("127.0.0.1", {"trust_proxy_address": True}, {}, 200),
        ("127.0.0.1", {"trust_proxy_address": True}, {"x-forwarded-for": "10.0.0.9"}, 200),
        ("127.0.0.1", {"trust_proxy_address": True}, {"x-forwarded-for": "::1, 127.0.0.1"}, 403),
        ("127.0.0.1", {"trust_proxy_address": True}, {"forwarded": "for=127.0.0.1"}, 403),
        ("10.0.0.9", {"trust_proxy_address": True}, {}, 403),
        ("10.0.0.9", {"trust_proxy_address": True, "proxies": ["10.0.0.0/24"]}, {}, 200),
        ("::ffff:10.0.0.9", {"trust_proxy_address": True, "proxies": "10.0.0.9"}, {}, 200),
        ("testclient", {"trust_proxy_address": True}, {}, 403),
    ],
)  # fmt: skip
def test_only_a_named_proxy_names_people(store, client, options, headers, status):
    """
    A header is believed from a named address, with the shared secret or where one has said so.
    """
    app = {"trusted_header": "X-User", "proxies": ["127.0.0.1"], **options}
    reviewer = Reviewer(store, client=client, **app)

    assert reviewer.http.get("/", headers={"x-user": "ana", **headers}).status_code == status


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "no proxy address is given"),
        ({"proxy_secret": "s"}, "no proxy address is given"),
        ({"proxies": ["127.0.0.1"]}, "an address alone is no proof"),
        ({"proxies": ["127.0.0.1"], "proxy_secret": ""}, "the proxy's secret is empty"),
        ({"proxies": ["x"], "proxy_secret": "s"}, "'x' is not an address or network"),
    ],
)
def test_a_header_that_anybody_could_send_is_refused(store, options, reason):
    """
    Nothing is made where the header would be believed without a reason.
    """
    with pytest.raises(UntrustedProxyError, match=f"^Cannot trust X-User: {reason}, so anyone"):
        create_app(store, trusted_header="X-User", **options)


# --- guessing -----------------------------------------------------------------------------------


def guess(url: str, cookies: str, form: str) -> socket.socket:
    """Send a guess, and do not wait for the answer."""
    host, _, port = url.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)), 30)
    head = f"POST /login HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {cookies}\r\n"
    connection.sendall(f"{head}Content-Length: {len(form)}\r\n\r\n{form}".encode())
    return connection


def test_a_flood_of_guesses_is_counted_before_it_is_hashed(store, users):
    """
    Of 150 guesses at once ten at most are tried, and the page answers meanwhile.
    """
    with running(create_app(store, users=users)) as url:
        door = httpx.get(f"{url}/login")
        cookies = "; ".join(f"{name}={text}" for name, text in door.cookies.items())
        token = door.text.partition('name="token" value="')[2][:32]
        guesses = [guess(url, cookies, f"token={token}&name=ana&password={n}") for n in range(150)]
        for _ in range(5):
            assert httpx.get(f"{url}/static/style.css").status_code == 200
        statuses = [int(answer.makefile().readline().split()[1]) for answer in guesses]

    assert 1 <= statuses.count(401) <= 10
    assert set(statuses) <= {401, 429, 503}


def test_a_stranger_locks_nobody_out(store, users):
    """
    Guesses count by address; at the same address a browser that ana has logged in with goes on.
    """
    ana = Reviewer(store, users=users)
    assert ana.log_in("ana", "anaana").status_code == 303
    ana.http.post("/logout", data={"token": ana.get("/") and ana.token})
    stranger, at_home = ana.another(), ana.another()
    at_home.http = type(ana.http)(
        ana.app, client=("10.0.0.7", 1), base_url=str(ana.http.base_url), follow_redirects=False
    )
    statuses = [stranger.log_in("ana", f"guess {n}").status_code for n in range(11)]
    assert statuses == [401] * 10 + [429]

    assert stranger.log_in("ana", "anaana").status_code == 429
    assert ana.log_in("ana", "anaana").status_code == 303
    assert at_home.log_in("ana", "anaana").status_code == 303


def test_the_cookie_of_a_browser_is_for_one_name(store, users):
    """
    Who has logged in as vi gets no guesses more at others, and no more than ten at vi.
    """
    vi, other = Reviewer(store, users=users), "x" * 101  # which is counted, and not hashed
    vi.log_in("vi", "vivi")
    for name in (other, "vi"):
        statuses = [vi.log_in(name, f"guess {n}").status_code for n in range(11)]
        assert statuses == [401] * 10 + [429]


def test_names_and_passwords_are_bounded(store, users):
    """
    What is longer than a name or a password can be is not hashed, and a larger form is not read.
    """
    stranger = Reviewer(store, users=users)
    long = [stranger.log_in("x" * 101, "x"), stranger.log_in("ana", "x" * 1001)]

    assert [answer.status_code for answer in long] == [401, 401]
    assert stranger.log_in("x" * 100_000, "x").status_code == 413


def test_guesses_are_forgotten_in_time_and_in_number():
    """
    A minute later one may guess again; ten thousand others push out the oldest, not all.
    """
    now = 0.0
    attempts = Attempts(lambda: now)
    keys = keys_of("10.0.0.1", "ana", None)
    assert [attempts.begin(keys) for _ in range(11)] == [True] * 10 + [False]
    for n in range(4_000):
        attempts.begin(keys_of(f"10.1.{n // 256}.{n % 256}", "ana", None))
    assert not attempts.begin(keys)
    now = WITHIN
    assert attempts.begin(keys)
    attempts.forgive(keys)
    for n in range(30):
        assert attempts.begin(keys_of("10.0.0.1", f"name {n}", None))
    assert not attempts.begin(keys)
    assert attempts.begin(keys_of("10.0.0.1", "ana", "her browser"))


def test_one_address_does_not_fill_the_queue():
    """
    Two guesses of one address wait at once, and eight of all; a place that is left is free.
    """
    slot = Slot()
    with contextlib.ExitStack() as stack:
        places = [stack.enter_context(slot.place(f"10.0.0.{n // 3}")) for n in range(15)]
        assert places == [True, True, False] * 4 + [False] * 3
    with slot.place("10.0.0.9") as is_free:
        assert is_free


def test_guesses_of_a_network_count_as_one(store, users):
    """
    Whoever has a network of IPv6 has all of its addresses; a named proxy tells them apart.
    """
    options = {"users": users, "proxies": ["127.0.0.1"], "proxy_secret": "s3cret"}
    stranger = Reviewer(store, **options)
    stranger.get("/login")

    def guess(client: str, **headers: str) -> int:
        form = {"token": stranger.token, "name": "x" * 101, "password": "x"}
        headers = {"x-forwarded-for": f"6.6.6.6, {client}", **SECRET, **headers}
        return stranger.http.post("/login", data=form, headers=headers).status_code

    assert [guess(f"2001:db8::{n}") for n in range(11)] == [401] * 10 + [429]
    assert guess("2001:db8:1::1") == 401
    forged = [guess(f"10.0.0.{n}", **{"x-proxy-secret": "guess"}) for n in range(11)]
    assert forged == [401] * 10 + [429]


# --- logging out --------------------------------------------------------------------------------


def session_of(reviewer: Reviewer) -> tuple[str, str]:
    """The name and the content of the cookie of the session."""
    ((name, text),) = [(n, c) for n, c in reviewer.http.cookies.items() if "device" not in n]
    return name, text


@pytest.mark.parametrize("outlives", [False, True])
def test_logging_out_ends_every_copy(store, tmp_path, outlives):
    """
    A copy of the cookie is over with the session, in other processes and after a restart, too.
    """
    options = {"users": people(tmp_path), **({"secret": "s"} if outlives else {})}
    ana = Reviewer(store, **options)
    ana.log_in("ana", "anaana")
    copy, bystander = ana.another(), ana.another()
    copy.http.cookies.set(*session_of(ana))
    bystander.log_in("ana", "anaana")
    elsewhere = Reviewer(store, **options)
    elsewhere.http.cookies.set(*session_of(ana))
    assert copy.get("/").status_code == 200
    assert elsewhere.get("/").status_code == (200 if outlives else 401)
    kept = session_of(ana)

    ana.http.post("/logout", data={"token": ana.get("/") and ana.token})

    for _ in range(3):  # nor is it signed anew by being refused
        copy.http.cookies.set(*kept)
        assert copy.http.get("/").status_code == 401
    after = Reviewer(store, **options)
    for other in (elsewhere, after):
        other.http.cookies.set(*kept)
        assert other.http.get("/").status_code == 401
    assert bystander.get("/").status_code == 200
    notes = tmp_path / "users.txt.ended"
    assert notes.exists() == outlives
    if outlives:
        assert notes.stat().st_mode & 0o777 == 0o600


def test_a_session_ends_after_twelve_hours(store, users):
    """
    However often it is used, a session is over twelve hours after the login.
    """
    ana = Reviewer(store, users=users, secret="s")
    ana.log_in("ana", "anaana")
    name, text = session_of(ana)
    signer = itsdangerous.TimestampSigner("s")
    session = orjson.loads(b64decode(signer.unsign(text)))
    for age, status in ((11, 200), (13, 401)):
        session["since"] = time.time() - age * 3600
        signed = signer.sign(b64encode(orjson.dumps(session))).decode()
        fresh = ana.another()
        fresh.http.cookies.set(name, signed)
        assert fresh.http.get("/").status_code == status
