"""
Whatever is sent to whichever route, the answer is never that the server broke.
"""

import hashlib
import io
from urllib.parse import quote

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from reviewer import Reviewer, people

from flagstone import Review, Value, open_store
from flagstone.testing import EXACT_TEXTS, make_flag

PATHS = ["/", "/rows", "/flag", "/file", "/preview", "/records", "/dashboard", "/news", "/login",
         "/decide", "/undo", "/upload", "/logout", "/static/", "/static/list.js",
         "/plot", "/model", "/static/libraries/plotly.js", "/static/libraries/x.js"]  # fmt: skip
NAMES = ["q", "after", "id", "flag", "sha256", "field", "name", "since", "to", "x"]
WORDS = st.sampled_from(
    ["app:", "verdict:open", "since:7d", "until:0001-01-01T00:00+14:00", "since:9999-12-31", '"',
     "order:oldest", "tag:x", "text:", "verified:yes", "\\", "//", "fingerprint:0", "%00", "../"]
)  # fmt: skip
ANY_TEXT = st.one_of(st.text(max_size=40), st.lists(WORDS, max_size=4).map(" ".join))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def at_path(text):
    return "/" + quote(text, errors="replace")


class World:
    """A store with odd flags behind a login, and somebody logged in."""

    def __init__(self, folder):
        self.store = open_store(folder / "flags.db")
        ref = self.store.files.put(io.BytesIO(b"x" * 100), name="a\u202egnp.png")
        texts = [make_flag(text[:5000]) for text in EXACT_TEXTS.values()]
        odd = make_flag(outputs={"f": Value(kind="image", data=ref)}, context={"a": {"b": [1]}})
        self.edited = make_flag(outputs={
            "gallery": Value(kind="gallery", data=[{"image": ref, "caption": None}]),
            "annotated": Value(kind="annotated_image", data={"image": ref, "annotations": []}),
            "pair": Value(kind="image_pair", data=(ref, None)),
            "drawing": Value(kind="image_editor", data=None),
            "message": Value(kind="multimodal", data={"text": "\ud800", "files": [ref]}),
            "files": Value(kind="file", data=[ref]), "image": Value(kind="image", data=ref),
            "marked": Value(kind="highlighted_text",
                            data=[{"token": "a", "class_or_confidence": 1}]),
            "moment": Value(kind="datetime", data="2020-10-01 05:20:15"),
        })  # fmt: skip
        plot = Value(kind="plot", data={"type": "plotly", "plot": '{"data": "\ud800"}'})
        torn = self.store.files.put(io.BytesIO(b"glTF" * 9), name="a.glb")
        drawn = make_flag(outputs={"p": plot, "m": Value(kind="model3d", data=torn)})
        review = Review(flag_id=odd.id, verdict="fixed", by="\ud800")
        self.store.append([drawn, *texts, odd, self.edited, review])
        of_text = hashlib.sha256(plot.data["plot"].encode(errors="surrogatepass")).hexdigest()
        self.known = [odd.id, texts[0].id, ref.sha256, texts[0].fingerprint]
        self.known += [drawn.id, of_text, torn.sha256]
        self.reviewer = Reviewer(self.store, users=people(folder))
        self.reviewer.log_in("ada", "adaada")
        self.reviewer.get("/")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("fuzz"))


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_request_breaks_the_server(world, data):
    """
    No path, parameter, header or body gets an answer of 500 or above.
    """
    path = data.draw(st.sampled_from(PATHS) | st.text(max_size=20).map(at_path))
    value = ANY_TEXT | st.sampled_from(world.known)
    params = data.draw(st.dictionaries(st.sampled_from(NAMES), value, max_size=3))
    method = data.draw(st.sampled_from(["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"]))
    headers = {"x-token": data.draw(st.sampled_from([world.reviewer.token, "x"]))}
    if data.draw(st.booleans()):
        headers["range"] = (
            f"bytes={data.draw(st.from_regex('[0-9]{0,20}-[0-9]{0,20}', fullmatch=True))}"
        )
    sent = {}
    if method in ("POST", "PUT"):
        known = {"flags": {world.known[0]: ""}, "reviews": {world.known[0]: "x"}}
        extra = st.dictionaries(
            st.sampled_from(
                ["flags", "reviews", "verdict", "tags", "note", "assignee", "correction"]
            ),
            JSON, max_size=3,
        )  # fmt: skip
        sent = data.draw(
            st.one_of(
                extra.map(lambda more: {"json": known | more}),
                JSON.map(lambda body: {"json": body}),
                st.binary(max_size=50).map(lambda body: {"content": body}),
            )
        )

    answer = world.reviewer.http.request(method, path, params=params, headers=headers, **sent)

    assert answer.status_code < 500


def entered(hashes):
    """What an editor might hold, more or less."""
    place = st.sampled_from(["file", "first", "second", "image", "background", "composite", "x"])
    file = st.fixed_dictionaries(
        {"sha256": st.sampled_from(hashes)}, optional={"name": ANY_TEXT, "caption": JSON | ANY_TEXT}
    )
    parts = st.fixed_dictionaries(
        {"places": st.dictionaries(place, file | JSON, max_size=2) | JSON},
        optional={"items": st.lists(file | JSON, max_size=3) | JSON, "text": ANY_TEXT | JSON},
    )
    pairs = [("first", "second"), ("background", "composite"), ("image",), ("file",), ()]
    shaped = st.sampled_from(pairs).flatmap(
        lambda names: st.fixed_dictionaries(
            {
                "places": st.fixed_dictionaries(dict.fromkeys(names, file | st.none())),
                "items": st.lists(file, max_size=3),
                "text": ANY_TEXT,
            }
        )
    )
    rows = st.lists(st.lists(ANY_TEXT | JSON, max_size=3), max_size=3)
    return parts | shaped | rows | ANY_TEXT | JSON


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_correction_breaks_the_server(world, data):
    """
    Whatever an editor is said to hold is kept or refused, and the page shows the flag after it.
    """
    name, content = data.draw(ANY_TEXT), data.draw(st.binary(max_size=5))
    token = {"x-token": world.reviewer.token}
    sent = world.reviewer.http.post(
        "/upload", params={"name": name}, content=content, headers=token
    )
    assert sent.status_code == 200
    assert (sent.json()["name"], sent.json()["size"]) == (name, len(content))
    hashes = [sent.json()["sha256"], world.known[2], "0" * 64]
    correction = {data.draw(st.sampled_from([*world.edited.outputs])): data.draw(entered(hashes))}

    body = {"flags": {world.edited.id: ""}, "correction": correction}
    answer = world.reviewer.post("/decide", body)

    assert answer.status_code in (200, 400), answer.text
    assert ("decided" if answer.status_code == 200 else "error") in answer.json()
    assert world.reviewer.get("/flag", params={"id": world.edited.id}).status_code == 200
