"""
The pages of the review: the list and its filters, a flag in full, the files.
"""

import io
import re
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape

import numpy as np
import pytest
import soundfile
from all_kinds import keep_every_kind
from reviewer import Reviewer
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from flagstone import FileRef, Flag, Outcome, Review, Value, open_store
from flagstone.review import create_app
from flagstone.review.values.presenter import shown
from flagstone.review.workers.thumbnail import wave
from flagstone.stores.memory import MemoryStore
from flagstone.testing import make_flag

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def rows(page: str) -> list[str]:
    return re.findall(r'data-flag="([^"]+)"', page)


def links(page: str) -> list[str]:
    return [unescape(link) for link in re.findall(r'href="([^"]+)"', page)]


@pytest.fixture(params=["memory:", "csv", "flags.db"])
def store(request, tmp_path):
    place = request.param
    with open_store(place if place == "memory:" else tmp_path / place) as opened:
        yield opened


def test_the_list_is_what_the_address_asks_for(store):
    """
    `q` filters by everything the query language has; a group of equal inputs is one row.
    """
    flags = [
        make_flag(f"text {n % 5}", app=f"app {n % 2}", created_at=NOW + timedelta(hours=n))
        for n in range(12)
    ]
    store.append([*flags, Review(flag_id=flags[3].id, verdict="accepted", tags=("hard",))])
    page = Reviewer(store).get

    assert rows(page("/").text) == [flag.id for flag in flags[:6:-1]]
    assert "flagged 3 times" in page("/").text
    assert rows(page("/", params={"q": 'app:"app 1" order:oldest'}).text) == [
        flags[n].id for n in (1, 3, 5, 7, 9)
    ]
    assert rows(page("/", params={"q": "verdict:accepted tag:hard"}).text) == [flags[3].id]
    assert rows(page("/", params={"q": f"fingerprint:{flags[2].fingerprint}"}).text) == [
        flags[7].id, flags[2].id,
    ]  # fmt: skip
    assert "Nothing here" in page("/", params={"q": "nowhere"}).text


def test_a_facet_is_a_link_that_narrows(store):
    """
    Each facet leads to the list with one more term, and its count is what is found there.
    """
    store.append([make_flag(str(n), option=["wrong", "not sure"][n % 3 == 0]) for n in range(7)])
    reviewer = Reviewer(store)

    text = reviewer.get("/", params={"q": "app:digits"}).text
    found = re.search(r'href="([^"]+)"[^>]*><bdi>not sure</bdi><span class="count">(\d+)', text)

    assert found is not None
    narrowed = reviewer.get(unescape(found[1])).text
    assert len(rows(narrowed)) == int(found[2]) == 3
    assert 'aria-current="true"' in narrowed


def test_pages_follow_one_another(store):
    """
    The list goes on where the page before ended, and shows each flag once.
    """
    flags = [make_flag(str(n), created_at=NOW + timedelta(hours=n)) for n in range(75)]
    store.append(flags)
    reviewer = Reviewer(store)

    text = reviewer.get("/").text
    found = rows(text)
    while more := re.search(r'class="more"><a href="([^"]+)"', text):
        text = reviewer.get(unescape(more[1])).text
        assert "<html" not in text
        found += rows(text)

    assert found == [flag.id for flag in reversed(flags)]


def test_a_query_that_says_nothing_is_answered_with_a_sentence(store):
    """
    A search that cannot be understood says why, and keeps what was typed.
    """
    answer = Reviewer(store).get("/", params={"q": "colour:red"})

    assert answer.status_code == 400
    assert "there is no property &#39;colour&#39;" in answer.text
    assert 'value="colour:red"' in answer.text


def test_a_flag_is_shown_in_full(store):
    """
    A flag's page has its values, history, outcomes, context, neighbours and group.
    """
    first, flag, last = (
        make_flag(text, context={"version": "m1"}, created_at=NOW + timedelta(hours=n))
        for n, text in enumerate(["before", "the text", "after"])
    )
    twin = make_flag("the text", app="other", created_at=NOW)
    outcome = Outcome(flag_id=flag.id, run_id="r", model="m2", status="still_failing")
    review = Review(flag_id=flag.id, by="ana", verdict="accepted", note="see\nhere", tags=("x",))
    store.append([first, flag, last, twin, outcome, review])

    page = Reviewer(store).get("/flag", params={"id": flag.id, "q": "app:digits"}).text

    for words in ("the text", "see\nhere", "still failing", "m1", "m2", "flagged 2 times", "ana"):
        assert words in page
    assert f"/flag?id={last.id}&q=app%3Adigits" in links(page)
    assert f"/flag?id={first.id}&q=app%3Adigits" in links(page)
    assert f"/flag?id={twin.id}" in links(page)


def test_the_list_says_of_a_plot_that_it_is_one():
    """
    A row of the list has words for a plot, and not the first characters of its text.
    """
    native = {"columns": ["x", "y"], "data": [[1, 2], [3, 4]], "datatypes": {}, "mark": "bar"}
    store = MemoryStore()
    for data in ({"type": "plotly", "plot": '{"data": []}'}, native):
        store.append([make_flag(str(data), outputs={"plot": Value(kind="plot", data=data)})])

    page = Reviewer(store).get("/").text

    assert re.findall(r'class="out">.*?<bdi>(.*?)</bdi>', page) == [
        "a bar plot of 2 rows: x, y", "a plot by plotly",
    ]  # fmt: skip


def test_no_flag_no_page(store):
    """
    For what is not there the answer is 404, in a sentence.
    """
    store.append([make_flag()])
    reviewer = Reviewer(store)

    for path in ("/flag?id=x", "/flag", "/file?flag=x&sha256=y", "/records?flag=x", "/nothing"):
        assert reviewer.get(path).status_code == 404


# --- every kind ---------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_every_kind_is_shown_as_what_it_is(gradio_cache):
    """
    A value of every component has a page, and is drawn as its kind and not as JSON.
    """
    store = MemoryStore()
    flags = keep_every_kind(store, gradio_cache)
    reviewer = Reviewer(store)

    as_json = set()
    for flag in flags:
        answer = reviewer.get("/flag", params={"id": flag.id})
        assert answer.status_code == 200
        value = flag.outputs["output"]
        if shown(value).shape == "tree" and value.kind not in ("json", "state", "paths"):
            as_json.add(flag.option)
    assert as_json == set()


@pytest.mark.parametrize("kind", ["label", "table", "chat", "image", "plot", "code", "color", "x"])
@pytest.mark.parametrize(
    "data",
    [3, "x", [], {}, [[]], {"label": []}, [1, [2]], {"data": 1, "headers": 2}, 10**5000],
    ids=["number", "text", "list", "dict", "lists", "label", "mixed", "table", "huge"],
)
def test_what_is_not_what_its_kind_says_is_shown_all_the_same(kind, data):
    """
    Data of any shape under any kind gives a page.
    """
    store = MemoryStore()
    flag = Flag(
        inputs={"i": Value(kind=kind, data=data)}, outputs={"o": Value(kind=kind, data=data)}
    )
    store.append([flag])
    reviewer = Reviewer(store)

    assert reviewer.get("/").status_code == 200
    assert reviewer.get("/flag", params={"id": flag.id}).status_code == 200


# --- files --------------------------------------------------------------------------------------


def flag_of(store: MemoryStore, content: bytes, name: str) -> tuple[Flag, FileRef]:
    ref = store.files.put(io.BytesIO(content), name=name)
    flag = make_flag(name, outputs={"file": Value(kind="file", data=ref)})
    store.append([flag])
    return flag, ref


@pytest.mark.parametrize(
    ("asked", "status", "content"),
    [
        ("bytes=0-3", 206, b"0123"),
        ("bytes=4-", 206, b"456789"),
        ("bytes=-3", 206, b"789"),
        ("bytes=8-99", 206, b"89"),
        ("bytes=10-", 416, b""),
        ("bytes=5-4", 416, b""),
        ("bytes=-", 200, b"0123456789"),
        ("bytes=0-1,3-4", 200, b"0123456789"),
        ("lines=1", 200, b"0123456789"),
    ],
)
def test_a_player_can_seek(asked, status, content):
    """
    A range of a file is served as RFC 9110 has it.
    """
    store = MemoryStore()
    flag, ref = flag_of(store, b"0123456789", "a.mp4")

    answer = Reviewer(store).get(
        "/file", params={"flag": flag.id, "sha256": ref.sha256}, headers={"range": asked}
    )

    assert (answer.status_code, answer.content) == (status, content)
    if status == 206:
        assert answer.headers["content-range"].endswith("/10")


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.png", "image/png"),
        ("a.svg", "image/svg+xml"),
        ("a.html", "application/octet-stream"),
        ("a.js", "application/octet-stream"),
        ("a.css", "application/octet-stream"),
        ("javascript:alert(1)", "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
def test_a_file_is_sent_so_that_it_cannot_run(name, media_type):
    """
    Every file is an attachment in a sandbox, of a type that we chose.
    """
    store = MemoryStore()
    flag, ref = flag_of(store, b"<script>1</script>", name)

    headers = Reviewer(store).get(f"/file?flag={flag.id}&sha256={ref.sha256}").headers

    assert headers["content-type"] == media_type
    assert headers["content-disposition"].startswith("attachment; filename*=UTF-8''")
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["x-content-type-options"] == "nosniff"


def test_only_files_of_the_flag_are_served(tmp_path):
    """
    A hash that no record of the flag names, or a path in its place, gets 404.
    """
    store = open_store(tmp_path / "flags.db")
    flag, _ = flag_of(store, b"mine", "a.txt")
    _, other = flag_of(store, b"another's", "b.txt")
    unreferred = store.files.put(io.BytesIO(b"nobody's"), name="c.txt")
    reviewer = Reviewer(store)

    for path in (
        other.sha256, unreferred.sha256, "../../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "",
        "/etc/passwd", "\x00", "a" * 5000, str(tmp_path / "flags.db"), "%2e%2e/flags.db",
    ):  # fmt: skip
        for route in ("/file", "/preview"):
            answer = reviewer.get(route, params={"flag": flag.id, "sha256": path})
            assert answer.status_code == 404
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd"):
        assert reviewer.get(path).status_code == 404


@pytest.mark.parametrize("make", [lambda f: f.path("voice.wav"), lambda f: f.path("photo.jpg")])
@pytest.mark.usefixtures("gradio_cache")
def test_the_list_has_pictures_of_pictures_and_sounds(make: Callable, tmp_path):
    """
    A picture or sound is shown in small, in few bytes; what is none gets 404.
    """
    from component_cases import Files

    store = MemoryStore()
    path = make(Files(tmp_path))
    flag, ref = flag_of(store, path.read_bytes(), path.name)
    torn, torn_ref = flag_of(store, path.read_bytes()[:20], f"torn {path.name}")
    reviewer = Reviewer(store)

    assert f"/preview?flag={flag.id}&amp;sha256={ref.sha256}" in reviewer.get("/").text
    answer = reviewer.get(f"/preview?flag={flag.id}&sha256={ref.sha256}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] in ("image/webp", "image/svg+xml")
    assert len(answer.content) < 6000
    assert reviewer.get(f"/preview?flag={torn.id}&sha256={torn_ref.sha256}").status_code == 404


@pytest.mark.parametrize(
    "content",
    [b"BLP2" + bytes([9, 0, 0, 0]) * 300, b"DDS " + (124).to_bytes(4, "little") + bytes(120)],
)
def test_a_picture_is_read_as_what_a_browser_shows_only(content):
    """
    What PIL alone can read, and tells of in errors of its own, has no small picture.
    """
    store = MemoryStore()
    flag, ref = flag_of(store, content, "a.png")

    answer = Reviewer(store).get(f"/preview?flag={flag.id}&sha256={ref.sha256}")

    assert answer.status_code == 404


def test_sound_packed_to_nothing_costs_no_memory():
    """
    Of silence with many channels no more is read than of ten minutes of stereo, a part at a time.
    """
    packed = io.BytesIO()
    with soundfile.SoundFile(packed, "w", samplerate=192_000, channels=8, format="FLAC") as sound:
        for _ in range(60):
            sound.write(np.zeros((192_000, 8), "int16"))
    content = packed.getvalue()

    tracemalloc.start()
    found = wave(content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert found.startswith(b"<svg")
    assert len(content) < 200_000
    assert peak < 30_000_000


def test_records_are_downloaded_as_the_store_has_them(store):
    """
    A flag's records come as lines of JSON that read back equal.
    """
    flag, review = make_flag("a\ud800b"), None
    review = Review(flag_id=flag.id, verdict="fixed")
    store.append([flag, review])

    answer = Reviewer(store).get(f"/records?flag={flag.id}")

    assert answer.text == f"{flag.to_json()}\n{review.to_json()}\n"
    assert "attachment" in answer.headers["content-disposition"]


def test_it_can_be_mounted_below_a_prefix():
    """
    In another app every link has the prefix, and that app's session is left alone.
    """
    store = MemoryStore()
    flag = make_flag()
    store.append([flag])

    def outer(request):
        request.session["mine"] = 1
        return JSONResponse(dict(request.session))

    app = Starlette(
        routes=[Route("/", outer), Mount("/review", create_app(store, token="token"))],
        middleware=[Middleware(SessionMiddleware, secret_key="s")],
    )
    client = TestClient(app, client=("127.0.0.1", 1), base_url="http://127.0.0.1")

    page = client.get("/review/?token=token").text
    assert all(link.startswith(("/review/", "#")) for link in links(page))
    assert client.get("/review/static/list.js").status_code == 200
    token = re.search(r'content="([^"]+)">\n<title', page)
    assert token is not None
    answer = client.post(
        "/review/decide", headers={"x-token": token[1]},
        json={"flags": {flag.id: ""}, "verdict": "fixed"},
    )  # fmt: skip
    assert answer.json()["decided"][0]["verdict"] == "fixed"
    assert client.get("/").json() == {"mine": 1}
    assert store.state(flag.id).verdict == "fixed"


def test_the_first_page_is_small():
    """
    The list of a large store, with its style and script, is less than 100 kB.
    """
    store = MemoryStore()
    store.append([make_flag(f"some text {n} " * 20, comment="why " * 50) for n in range(200)])
    reviewer = Reviewer(store)

    page = reviewer.get("/")
    parts = [p for p in links(page.text) if "/static/" in p]
    parts += re.findall(r'src="(/static/[^"]+)"', page.text)
    size = len(page.content) + sum(
        len(reviewer.get(part).content) for part in {*parts, "/static/page.js"}
    )

    assert len(rows(page.text)) == 30
    assert size <= 100_000
