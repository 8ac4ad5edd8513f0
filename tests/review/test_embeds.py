"""
The frames that plots and models are drawn in: who may have one, and what it may do.
"""

import gzip
import hashlib
import io
import json
import re
from html import unescape

import pytest
from reviewer import Reviewer, people

from flagstone import Flag, Outcome, Review, Value
from flagstone.review.values.js_libraries import library_address
from flagstone.stores.memory import MemoryStore
from flagstone.testing import make_flag

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; sandbox allow-scripts"
)
TRIANGLE = b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"


def plot(text: str, library: str = "plotly") -> Value:
    return Value(kind="plot", data={"type": library, "plot": text})


def address_of(flag: Flag, text: str) -> str:
    return f"/plot?flag={flag.id}&sha256={hashlib.sha256(text.encode()).hexdigest()}"


def text_in(page: str) -> str:
    found = re.search(r'<pre id="plot" hidden>(.*)</pre>', page, re.DOTALL)
    assert found is not None
    return unescape(found[1])


def model(store: MemoryStore, name: str, content: bytes) -> tuple[Flag, str]:
    ref = store.files.put(io.BytesIO(content), name=name)
    flag = make_flag(outputs={"model": Value(kind="model3d", data=ref)})
    store.append([flag])
    return flag, f"/model?flag={flag.id}&sha256={ref.sha256}"


def test_a_plot_is_found_wherever_a_flag_has_one():
    """
    A plot of an input, an output, a correction or an outcome has a frame, with its exact text.
    """
    store = MemoryStore()
    texts = [f'{{"data": [], "n": "{n} </pre><script>\u202e"}}' for n in range(5)]
    flag = make_flag(
        inputs={"p": plot(texts[0])}, outputs={"p": plot(texts[1])},
        correction={"p": plot(texts[2])},
    )  # fmt: skip
    store.append([
        flag, Review(flag_id=flag.id, correction={"p": plot(texts[3])}),
        Outcome(flag_id=flag.id, run_id="r", model="m", status="fixed",
                outputs={"p": plot(texts[4])}),
    ])  # fmt: skip
    reviewer = Reviewer(store)

    for text in texts:
        answer = reviewer.get(address_of(flag, text))
        assert answer.status_code == 200
        assert text_in(answer.text) == text
        assert "<script>" not in answer.text
    page = reviewer.get("/flag", params={"id": flag.id}).text
    for text in (*texts[:2], *texts[3:]):
        assert address_of(flag, text).replace("&", "&amp;") in page


def test_the_frame_may_only_draw():
    """
    A frame's policy has no network, no eval, no form; other pages are in no frame.
    """
    store = MemoryStore()
    flag = make_flag(outputs={"p": plot("{}")})
    store.append([flag])
    _, address = model(store, "a.obj", TRIANGLE)
    reviewer = Reviewer(store)

    for path in (address_of(flag, "{}"), address):
        headers = reviewer.get(path).headers
        assert headers["content-security-policy"] == POLICY
        assert headers["x-content-type-options"] == "nosniff"
    page = reviewer.get("/flag", params={"id": flag.id})
    assert "frame-src 'self'" in page.headers["content-security-policy"]
    assert 'sandbox="allow-scripts" loading="lazy"' in page.text


def test_only_plots_and_models_of_the_flag_have_a_frame():
    """
    For another flag's plot, for a file that is none, and for a tab the answer is 404.
    """
    store = MemoryStore()
    flag, other = make_flag(outputs={"p": plot("{}")}), make_flag(outputs={"p": plot("[]")})
    store.append([flag, other])
    mine = address_of(flag, "{}")
    reviewer = Reviewer(store)

    assert reviewer.get(mine).status_code == 200
    assert reviewer.get(mine, headers={"sec-fetch-dest": "iframe"}).status_code == 200
    assert reviewer.get(mine, headers={"sec-fetch-dest": "document"}).status_code == 404
    for path in (
        address_of(flag, "[]"), address_of(other, "{}"), "/plot", "/model", "/plot?flag=x&sha256=y",
        f"/plot?flag={flag.id}", mine.replace("/plot", "/model"), "/static/libraries/x.js",
    ):  # fmt: skip
        assert reviewer.get(path).status_code == 404


def test_a_frame_needs_a_login_and_its_library_does_not(tmp_path):
    """
    What is flagged is for people who logged in; what is installed reaches a frame without cookies.
    """
    store = MemoryStore()
    flag = make_flag(outputs={"p": plot("{}")})
    store.append([flag])
    stranger = Reviewer(store, users=people(tmp_path))

    assert stranger.get(address_of(flag, "{}")).status_code == 401
    for path in (library_address("plotly"), "/static/frame.js", "/static/frame.css"):
        answer = stranger.get(path)
        assert answer.status_code == 200
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    stranger.log_in("vi", "vivi")
    assert stranger.get(address_of(flag, "{}")).status_code == 200


@pytest.mark.parametrize(
    ("library", "word"), [("plotly", "plotly.js v"), ("bokeh", "Bokeh"), ("altair", "vegaEmbed")]
)
def test_a_library_is_the_installed_one(library, word):
    """
    Each library is sent packed to who takes it so, for good, under an address of its version.
    """
    reviewer = Reviewer(MemoryStore())

    packed = reviewer.get(library_address(library))
    plain = reviewer.get(library_address(library), headers={"accept-encoding": "identity"})

    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text
    assert word in plain.text
    assert len(gzip.compress(plain.content)) == int(packed.headers["content-length"])
    assert "immutable" in packed.headers["cache-control"]
    assert re.search(r"\?\d", library_address(library))


def test_a_model_is_a_figure():
    """
    A model becomes a mesh of Plotly's, seen with y up; beyond itself it reads nothing.
    """
    store = MemoryStore()
    _, address = model(store, "a.obj", b"mtllib ../../../etc/passwd\nusemtl x\n" + TRIANGLE)

    figure = json.loads(text_in(Reviewer(store).get(address).text))

    (mesh,) = figure["data"]
    assert mesh["type"] == "mesh3d"
    assert mesh["x"]["dtype"] == "f4"
    assert figure["layout"]["scene"]["camera"]["up"] == {"x": 0, "y": 1, "z": 0}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.glb", b"glTF" + bytes(200)),
        ("a.glb", b""),
        ("a.gltf", b'{"asset": {"version": "2.0"}, "buffers": [{"uri": "/etc/passwd"}]}'),
        ("a.stl", bytes(80) + b"\xff" * 4),
        ("a.ply", b"ply\nformat ascii 1.0\nelement vertex 99999999999\nend_header\n"),
        ("a.obj", b"f 1 2 3\n"),
        ("a.obj", b"v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"),
        ("a.splat", b"x" * 33),
        ("a.splat", b""),
        ("a.usdz", b"PK"),
    ],
)
def test_a_model_that_cannot_be_read_is_told(name, content):
    """
    Whatever a file is that is said to be a model, its frame has a sentence in place of it.
    """
    store = MemoryStore()
    flag, address = model(store, name, content)
    reviewer = Reviewer(store)

    answer = reviewer.get(address)

    assert answer.status_code == 200
    assert "This model cannot be shown. Its file can be downloaded." in answer.text
    assert "<script" not in answer.text
    assert name in reviewer.get("/flag", params={"id": flag.id}).text


def test_without_the_libraries_there_are_json_and_a_hint(monkeypatch):
    """
    Where nothing that draws is installed, plots are trees, models downloads, with what to install.
    """
    monkeypatch.setattr("flagstone.review.values.js_libraries.find_spec", lambda _: None)
    monkeypatch.setattr("flagstone.review.values.model3d.find_spec", lambda _: None)
    store = MemoryStore()
    flag, address = model(store, "a.obj", TRIANGLE)
    other = make_flag(outputs={"p": plot('{"data": ["here"]}')})
    store.append([other])
    reviewer = Reviewer(store)

    for each, words in ((flag, "a.obj"), (other, "here")):
        page = reviewer.get("/flag", params={"id": each.id}).text
        assert "<iframe" not in page
        assert words in page
        assert "pip install &#39;flagstone[plots]&#39;" in unescape(page).replace("'", "&#39;")
    assert reviewer.get(address).status_code == 404
    assert reviewer.get("/static/libraries/plotly.js").status_code == 404
