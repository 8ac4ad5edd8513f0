"""
Who may see and do what: this machine, a login, a proxy; sessions, other sites, headers.
"""

import re
import stat

import pytest
from reviewer import Reviewer, people

from flagstone.errors import NoUsersError, StoreError, UsersError
from flagstone.review import Users, create_app
from flagstone.review.server import serve
from flagstone.stores.memory import MemoryStore
from flagstone.testing import make_flag

ROUTES = ["/", "/rows", "/flag?id=x", "/file", "/preview", "/plot", "/model", "/records",
          "/dashboard", "/news"]  # fmt: skip
ACTIONS = ["/decide", "/undo", "/upload", "/logout"]


@pytest.fixture
def store():
    store = MemoryStore()
    store.append([make_flag("secret")])
    return store


@pytest.mark.parametrize("route", [*ROUTES, *ACTIONS, "/nothing"])
def test_without_a_login_all_but_the_login_page_is_refused(store, users, route):
    """
    Who is not logged in gets the login page, or 401, and nothing of the store.
    """
    stranger = Reviewer(store, users=users)

    seen = stranger.get(route, headers={"accept": "text/html"})
    asked = stranger.get(route)
    posted = stranger.http.post(route, json={})

    assert seen.status_code == 303
    assert seen.headers["location"].startswith("/login?to=%2F")
    assert (asked.status_code, posted.status_code) == (401, 401)
    assert "secret" not in seen.text + asked.text + posted.text
    assert stranger.get("/login").status_code == 200


def test_one_logs_in_and_out(store, users):
    """
    The right password begins a session that leads to where one wanted; logging out ends it.
    """
    reviewer = Reviewer(store, users=users)
    assert reviewer.log_in("ana", "wrong").status_code == 401
    assert reviewer.log_in("nobody", "nobodynobody").status_code == 401

    answer = reviewer.log_in("ana", "anaana", to="/flag?id=x&q=tag%3Aa")

    assert (answer.status_code, answer.headers["location"]) == (303, "/flag?id=x&q=tag%3Aa")
    cookie = answer.headers["set-cookie"]
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secret" in reviewer.get("/").text
    reviewer.http.post("/logout", data={"token": reviewer.token})
    assert reviewer.get("/").status_code == 401


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example", "/\\evil.example", "x", "/\n"]
)
def test_a_login_leads_to_pages_of_ours_only(store, users, to):
    """
    An address elsewhere in the link to the login page is not followed.
    """
    assert Reviewer(store, users=users).log_in("ana", "anaana", to=to).headers["location"] == "/"


def test_guessing_is_slow(store, users):
    """
    After ten wrong passwords for a name, not even the right one is tried for a minute.
    """
    reviewer = Reviewer(store, users=users)
    answers = [reviewer.log_in("bo", str(n)).status_code for n in range(10)]

    assert answers == [401] * 10
    assert reviewer.log_in("bo", "bobo").status_code == 429
    assert reviewer.log_in("ana", "anaana").status_code == 303


def test_a_changed_password_ends_sessions(store, tmp_path):
    """
    A session is of a password: with another, or without the person, it is over.
    """
    path = people(tmp_path)
    reviewer = Reviewer(store, users=path)
    reviewer.log_in("ana", "anaana")
    assert reviewer.get("/").status_code == 200

    Users(path).add("ana", "other", "reviewer")

    assert reviewer.get("/").status_code == 401


def test_a_forged_session_is_none(store, users):
    """
    A cookie that another key has signed is not believed; the same key outlives a restart.
    """
    ana = Reviewer(store, users=users, secret="one")
    ana.log_in("ana", "anaana")
    (cookie,) = [ana.http.cookies[name] for name in ana.http.cookies if "device" not in name]

    for secret, status in (("one", 200), ("two", 401)):
        other = Reviewer(store, users=users, secret=secret)
        other.get("/login")
        (name,) = other.http.cookies
        other.http.cookies.clear()
        other.http.cookies.set(name, cookie)
        assert other.get("/").status_code == status


def test_a_viewer_only_looks(store, users):
    """
    A viewer sees every page, no button that decides, and is refused what they do.
    """
    viewer = Reviewer(store, users=users)
    viewer.log_in("vi", "vivi")
    (flag,) = store.find()

    for path in ("/", f"/flag?id={flag.id}", "/dashboard"):
        page = viewer.get(path)
        assert page.status_code == 200
        assert "data-do=" not in page.text
    for action in ("/decide", "/undo", "/upload"):
        body = {"flags": {flag.id: ""}, "verdict": "fixed"}
        assert viewer.post(action, body).status_code == 403
    assert store.state(flag.id).reviews == ()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://127.0.0.1"}, 200),
        ({"origin": "http://127.0.0.1", "sec-fetch-site": "same-origin"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:81"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://[x"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"x-token": ""}, 403),
        ({"x-token": "guessed"}, 403),
    ],
)
def test_another_site_changes_nothing(store, headers, status):
    """
    A post needs the token of a page of this session, and must come from that page.
    """
    (flag,) = store.find()
    reviewer = Reviewer(store)

    answer = reviewer.post("/decide", {"flags": {flag.id: ""}, "verdict": "fixed"}, **headers)

    assert answer.status_code == status
    assert store.state(flag.id).verdict == ("fixed" if status == 200 else "open")


def test_a_login_from_another_site_is_refused(store, users):
    """
    Nobody is logged in, or out, by a form of another site.
    """
    stranger, victim = Reviewer(store, users=users), Reviewer(store, users=users)
    form = {"name": "ana", "password": "anaana"}
    assert stranger.http.post("/login", data=form).status_code == 403
    stranger.get("/login")
    assert victim.http.post("/login", data={**form, "token": stranger.token}).status_code == 403
    victim.log_in("ana", "anaana")
    assert victim.http.post("/logout", data={}).status_code == 403
    assert victim.get("/").status_code == 200


@pytest.mark.parametrize(
    ("client", "url", "status"),
    [
        ("127.0.0.1", "http://127.0.0.1:7870", 200),
        ("127.0.0.1", "http://localhost:7870", 200),
        ("::1", "http://[::1]:7870", 200),
        ("::1", "http://[::1]", 200),
        ("127.0.0.1", "http://LOCALHOST", 200),
        ("::ffff:127.0.0.1", "http://127.0.0.1:7870", 200),
        ("192.168.0.7", "http://127.0.0.1:7870", 403),
        ("127.0.0.1", "http://rebound.example:7870", 403),
        ("127.0.0.1", "http://127.0.0.1.evil.example", 403),
    ],
)
def test_without_users_this_machine_only(store, client, url, status):
    """
    Where nobody logs in, only this machine is answered, under its own names, token or not.
    """
    assert Reviewer(store, client=client, url=url).get("/").status_code == status


def test_a_proxy_says_who_it_is(store, users):
    """
    The header of a named proxy is believed, with the role that the file gives.
    """
    page = {"x-user": "ana", "accept": "text/html"}
    trusted = {"proxies": ["127.0.0.1"], "trust_proxy_address": True}
    behind = Reviewer(store, trusted_header="X-User", users=users, **trusted)
    assert '<span title="reviewer">ana</span>' in behind.get("/", headers=page).text
    assert '<span title="viewer">vi</span>' in behind.get("/", headers={"x-user": "vi"}).text
    assert behind.get("/").status_code == 403
    assert behind.get("/login").status_code == 403
    assert behind.get("/static/frame.js").status_code == 200
    twice = [("x-user", "ada"), ("x-user", "vi")]  # somebody's, and what a proxy put behind it
    assert behind.http.get("/", headers=twice).status_code == 403
    elsewhere = Reviewer(store, trusted_header="X-User", client="10.0.0.9", **trusted)
    assert elsewhere.get("/", headers=page).status_code == 403


@pytest.mark.parametrize("path", ["/", "/flag?id=x", "/nothing", "/static/style.css", "/news"])
def test_every_answer_has_its_headers(store, path):
    """
    Nothing but our own scripts and styles may run or load, in no frame, whatever the answer.
    """
    headers = Reviewer(store).get(path).headers

    policy = headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_no_page_has_script_or_style_within(store, users):
    """
    No page has an inline script, style or handler, for the policy would refuse it.
    """
    (flag,) = store.find()
    pages = [Reviewer(store).get(path).text for path in ("/", f"/flag?id={flag.id}", "/dashboard")]
    pages.append(Reviewer(store, users=users).get("/login").text)

    for page in pages:
        assert re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", page) is None


def test_any_other_host_needs_users(store):
    """
    On an address that others can reach, nothing is started where nobody is asked who they are.
    """
    with pytest.raises(NoUsersError, match=r"0\.0\.0\.0"):
        serve(store, host="0.0.0.0", port=0, told=print)  # fmt: skip


def test_a_port_that_is_taken_is_told(store):
    """
    Where the port cannot be had, a sentence says so.
    """
    import socket

    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(StoreError, match="Cannot listen on"),
    ):
        serve(store, host="127.0.0.1", port=taken.getsockname()[1], told=print)  # fmt: skip


# --- the file of users --------------------------------------------------------------------------


def test_passwords_are_kept_hashed(tmp_path):
    """
    The file is its owner's only, and has no password in it, nor one hash twice.
    """
    path = tmp_path / "users.txt"
    users = Users(path)
    users.add("ana", "same password", "admin")
    users.add("b o", "same password", "viewer")

    text = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "same password" not in text
    assert len({line.rsplit(":", 1)[1] for line in text.splitlines()}) == 2
    person = Users(path).check("b o", "same password")
    assert person is not None
    assert person.role == "viewer"
    assert Users(path).check("ana", "other") is None


@pytest.mark.parametrize("name", ["", "a:b", "a\nb", "x" * 101, "\u202e"])
def test_an_unfit_name_is_refused(tmp_path, name):
    """
    A name that the file could not hold, or that nobody could read, is not added.
    """
    with pytest.raises(UsersError, match="is not a valid name"):
        Users(tmp_path / "users.txt").add(name, "password", "viewer")
    with pytest.raises(UsersError, match="the password is empty"):
        Users(tmp_path / "users.txt").add("ana", "", "viewer")
    assert not (tmp_path / "users.txt").exists()


@pytest.mark.parametrize("content", ["ana", "ana:admin:scrypt:1", "ana:admin:plain", b"\xff"])
def test_a_file_that_is_none_is_told(tmp_path, content):
    """
    A file of users that is not there, or not one, is told when the app is made.
    """
    path = tmp_path / "users.txt"
    with pytest.raises(UsersError, match="Cannot read the users"):
        create_app(MemoryStore(), users=path)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsersError, match="it is not a users file"):
        create_app(MemoryStore(), users=path)


def test_a_file_that_vanishes_lets_nobody_in(store, tmp_path):
    """
    Without its file of users the page answers nobody, and says why.
    """
    path = people(tmp_path)
    reviewer = Reviewer(store, users=path)
    reviewer.log_in("ana", "anaana")
    path.unlink()

    answer = reviewer.get("/")

    assert answer.status_code == 503
    assert "Cannot read the users" in answer.text
