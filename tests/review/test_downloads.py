"""
Editors of files and of marked text: nothing is lost that nobody touched, nobody names a file that
is not theirs to name.
"""

import io

import pytest
from all_kinds import keep_every_kind
from reviewer import Reviewer, people

from flagstone import Flag, Value, open_store
from flagstone.review.uploads import LIFE, Uploads
from flagstone.review.values.editors import editor_for
from flagstone.review.values.parsing import read
from flagstone.review.values.sanitize import typed
from flagstone.stores.memory import MemoryStore

KINDS = {"annotated_image", "audio", "file", "gallery", "highlighted_text", "image", "image_editor",
         "image_pair", "model3d", "multimodal", "video", "color", "datetime", "table", "text",
         "markdown", "html", "code"}  # fmt: skip


def held(editor):
    """What the page sends for *editor* when nobody has touched it."""
    if editor.control in ("table", "highlighted"):
        return [[typed(cell) for cell in row] for row in editor.cells]
    if editor.parts is None:
        return typed(editor.text)

    def named(part):
        return part and {"sha256": part.key, "name": typed(part.name)}

    items = editor.parts.items or ()
    return {
        "text": typed(editor.text),
        "places": {place: named(part) for place, part in editor.parts.places.items()},
        "items": [named(item.part) | {"caption": typed(item.caption or "")} for item in items],
    }


@pytest.fixture
def kept(gradio_cache):
    """A flag of every component, by its name, in a store."""
    store = MemoryStore()
    flags = keep_every_kind(store, gradio_cache)
    return store, {flag.option: flag for flag in flags}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_what_nobody_touched_comes_back_as_it_was(kept):
    """
    Each value of these kinds goes through its own editor, and none through that for JSON, to the
    byte.
    """
    _, flags = kept
    edited = set()
    for name, flag in flags.items():
        value = flag.outputs["output"]
        if value.kind not in KINDS or name in ("Textbox 200 kB", "Dataframe styled"):
            continue
        editor = editor_for(value)
        assert editor.control != "json", name
        assert read(value, held(editor), field="output") == value, name
        edited.add(value.kind)
    assert edited == KINDS


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_a_change_fits_the_component(kept):
    """
    What was removed, added, captioned and written is in the shape that the component takes.
    """
    import gradio as gr

    from flagstone.gradio.payloads.convert import to_payload

    store, flags = kept
    reviewer = Reviewer(store)
    reviewer.get("/")
    content = store.files.open(flags["Image"].outputs["output"].data).read()
    new = sent(reviewer, content + b"\0", "new.png").json()

    def corrected(name, change):
        flag = flags[name]
        entered = held(editor_for(flag.outputs["output"]))
        change(entered)
        answer = reviewer.decide(flag.id, correction={"output": entered})
        assert "error" not in answer, (name, answer)
        right = store.state(flag.id).correction["output"]
        component = getattr(gr, name.split()[0])()
        component.preprocess(to_payload(right, component))
        return right.to_python()

    def add(caption):
        return lambda entered: entered["items"].insert(0, new | {"caption": caption})

    def put(place):
        return lambda entered: entered["places"].update({place: new})

    gallery = corrected("Gallery", add(" a\n"))
    assert [caption for _, caption in gallery] == [" a\n", None, "-"]
    assert [image.size for image, _ in gallery] == [(30, 40)] * 3
    _, masks = corrected("AnnotatedImage", add(""))
    assert [label for _, label in masks] == ["", "nodule"]
    assert len(corrected("ImageEditor", add(""))["layers"]) == 2
    drawing = corrected("ImageEditor empty", put("composite"))
    assert (drawing["background"], drawing["composite"].size) == (None, (30, 40))
    message = corrected("MultimodalTextbox", lambda entered: (
        entered.update(text="yo\r"), entered["items"].pop(0),
    ))  # fmt: skip
    assert (message["text"], [path.name for path in message["files"]]) == ("yo\r", ["photo.jpg"])
    if "ImageSlider half" in flags:
        pair = corrected("ImageSlider half", put("second"))
        assert [image.size for image in pair] == [(30, 40)] * 2
    assert corrected("Image", put("file")).size == (30, 40)
    text = corrected("HighlightedText", lambda rows: (
        rows.pop(0), rows[1].__setitem__(1, "0.75"), rows.append(["=y", ""]),
    ))  # fmt: skip
    assert text == [("-", "+"), ("x", "0.75"), ("=y", None)]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        *[(kind, None) for kind in sorted(KINDS - {"table", "color", "datetime", "text", "code",
                                                   "html", "markdown"})],
        ("multimodal", {"text": "a\r\nb\0\ud800", "files": []}),
        ("gallery", []),
        ("file", []),
        ("image_pair", [None, None]),
    ],
)  # fmt: skip
def test_what_is_empty_or_odd_comes_back_as_it_was(kind, data):
    """
    None stays None, a list a list, and text that no field holds what it was.
    """
    value = Value(kind=kind, data=data)
    entered = held(editor_for(value))
    assert read(value, entered, field="o") == value
    assert type(read(value, entered, field="o").data) is type(data)


@pytest.mark.parametrize(
    ("classes", "entered", "made"),
    [
        ([None, 0.5, 1], ["", "0.75", "1", "2"], [None, 0.75, 1, 2.0]),
        (["+", 0.5], ["0.5", "0.75", ""], [0.5, "0.75", None]),
        ([""], ["", "x"], ["", "x"]),
        (["a\r\nb\0"], ["a\nb\ufffd"], ["a\r\nb\0"]),
        ([], ["", "x"], [None, "x"]),
    ],
)
def test_a_class_has_the_type_of_the_others(classes, entered, made):
    """
    A class is a number where it was one, or where all of them are; an empty one is none.
    """
    data = [{"token": "\ud800", "class_or_confidence": name} for name in classes]
    value = Value(kind="highlighted_text", data=data)
    right = read(value, [["\\ud800", name] for name in entered], field="o").data
    assert [part["class_or_confidence"] for part in right] == made
    assert {part["token"] for part in right[: len(classes)]} <= {"\ud800"}
    right = read(value, [["new", name] for name in entered], field="o").data
    assert [part["class_or_confidence"] for part in right] == [name or None for name in made]


def test_items_keep_what_no_editor_shows():
    """
    Moved items keep their other keys and the words of their captions; of twins, each its own.
    """
    store = MemoryStore()
    ref = store.files.put(io.BytesIO(b"x"), name="a.png")
    inline = {"path": None, "url": "data:image/png;base64,AAAA", "size": None}
    data = [
        {"image": ref, "caption": None, "more": 1}, {"image": ref, "caption": "", "more": 2},
        {"image": ref, "caption": "b", "more": 3}, {"image": inline, "caption": "c"},
    ]  # fmt: skip
    value = Value(kind="gallery", data=data)
    entered = held(editor_for(value))
    entered["items"].reverse()
    entered["items"][0]["caption"] = "d"

    right = read(value, entered, field="o").data

    assert right == [{"image": inline, "caption": "d"}, data[2], data[0], data[1]]


# --- what may be named --------------------------------------------------------------------------


def sent(reviewer, content, name, **headers):
    headers = {"x-token": reviewer.token, **headers}
    return reviewer.http.post("/upload", params={"name": name}, content=content, headers=headers)


def naming(sha256, **more):
    return {"places": {"file": {"sha256": sha256, **more}}}


def test_a_file_is_corrected_by_a_file():
    """
    The file sent is kept, and is the correction; other corrections of the flag stay.
    """
    store = MemoryStore()
    ref = store.files.put(io.BytesIO(b"wrong"), name="a.png")
    other = {"t": Value(kind="text", data="better")}
    outputs = {"o": Value(kind="image", data=ref), "t": Value(kind="text", data="bad")}
    flag = Flag(outputs=outputs, correction=other)
    store.append([flag])
    reviewer = Reviewer(store)
    reviewer.get("/")
    assert sent(reviewer, b"right", "b", **{"x-token": "x"}).status_code == 403

    told = sent(reviewer, b"right", "../b .png").json()
    answer = reviewer.decide(flag.id, correction={"o": naming(told["sha256"], name=told["name"])})

    assert "error" not in answer
    correction = store.state(flag.id).correction
    assert correction["t"] == other["t"]
    assert (told["name"], told["size"]) == ("../b .png", 5)
    assert correction["o"].data.name == "../b .png"
    with store.files.open(correction["o"].data) as file:
        assert file.read() == b"right"


def test_nobody_names_a_file_of_somebody_else(tmp_path):
    """
    A hash that one has learnt, of another flag or of what another has sent, is refused.
    """
    store = open_store(tmp_path / "flags.db")
    ref = store.files.put(io.BytesIO(b"seen"), name="a.png")
    secret = store.files.put(io.BytesIO(b"secret"), name="secret.png")
    flag = Flag(outputs={"o": Value(kind="image", data=ref)})
    store.append([flag, Flag(outputs={"o": Value(kind="image", data=secret)})])
    ana = Reviewer(store, users=people(tmp_path))
    bo, vi = ana.another(), ana.another()
    for reviewer, name in ((ana, "ana"), (bo, "bo"), (vi, "vi")):
        reviewer.log_in(name, name * 2)
        reviewer.get("/")
    assert sent(vi, b"x", "x").status_code == 403
    of_bo = sent(bo, b"by bo", "bo.png").json()["sha256"]

    for sha256 in (secret.sha256, of_bo, "0" * 64, "", None, [ref.sha256]):
        answer = ana.post("/decide", {"flags": {flag.id: ""}, "correction": {"o": naming(sha256)}})
        assert answer.status_code == 400
        assert "it names a file not of this flag and not just uploaded by you" in answer.text
    assert store.state(flag.id).reviews == ()
    assert bo.decide(flag.id, correction={"o": naming(of_bo)})["decided"]
    assert ana.decide(flag.id, correction={"o": naming(ref.sha256)})["faster"][0]["by"] == "bo"


def test_a_file_that_is_gone_is_told():
    """
    Where somebody has removed what was sent, nothing is appended that names it.
    """
    store = MemoryStore()
    flag = Flag(outputs={"o": Value(kind="file", data=None)})
    store.append([flag])
    reviewer = Reviewer(store)
    reviewer.get("/")
    sha256 = sent(reviewer, b"x", "x").json()["sha256"]
    store.files.remove([sha256])

    answer = reviewer.decide(flag.id, correction={"o": naming(sha256)})

    assert "a file uploaded for it no longer exists" in answer["error"]
    assert store.state(flag.id).reviews == ()


def test_what_was_sent_is_forgotten():
    """
    After an hour, or ten thousand files more, nobody may name it.
    """
    now = 0.0
    sent_files = Uploads(lambda: now)
    put = MemoryStore().files.put
    first, second = (put(io.BytesIO(text), name="a") for text in (b"1", b"2"))
    sent_files.add("ana", first)
    sent_files.add("bo", second)
    assert (sent_files.of("ana"), sent_files.of("bo")) == ([first], [second])
    now = LIFE / 2
    sent_files.add("ana", second)
    sent_files.add("ana", first)
    now = LIFE + 1
    assert (sent_files.of("ana"), sent_files.of("bo")) == ([first, second], [])
    for n in range(10_000):
        sent_files.add(str(n), first)
    assert sent_files.of("ana") == []


REF = {"sha256": "0" * 64, "name": "a"}


@pytest.mark.parametrize(
    ("kind", "data", "entered"),
    [
        ("gallery", [], None),
        ("gallery", [], []),
        ("gallery", [], {}),
        ("gallery", [], {"items": {}}),
        ("gallery", [], {"items": ["x"]}),
        ("gallery", [], {"items": [None]}),
        ("gallery", [], {"items": [[]]}),
        ("gallery", [], {"items": [{}]}),
        ("gallery", [], {"items": [REF]}),
        ("gallery", [], {"items": [REF] * 301}),
        ("gallery", [], {"items": [], "places": {"x": None}}),
        ("image_pair", None, {"places": {"first": None}}),
        ("image_pair", None, {"places": []}),
        ("image_pair", None, {"places": {"first": None, "second": 3}}),
        ("image_pair", None, {"places": {"first": None, "second": ""}}),
        ("annotated_image", None, {"places": {"image": None}, "items": [REF]}),
        ("multimodal", None, {"items": []}),
        ("multimodal", None, {"text": 3, "items": []}),
        ("highlighted_text", None, "x"),
        ("highlighted_text", [], [["a"]]),
        ("highlighted_text", [], [["a", None]]),
        ("highlighted_text", [{"token": "a", "class_or_confidence": 1}], [["a", "b"]]),
    ],
)
def test_what_no_editor_of_ours_sends_is_refused(kind, data, entered):
    """
    Any other shape is answered with a sentence and appends nothing.
    """
    store = MemoryStore()
    flag = Flag(outputs={"o": Value(kind=kind, data=data)})
    store.append([flag])

    answer = Reviewer(store).post("/decide", {"flags": {flag.id: ""}, "correction": {"o": entered}})

    assert answer.status_code == 400
    assert answer.json()["error"].startswith("Cannot save o: ")
    assert store.state(flag.id).reviews == ()


def test_what_needs_its_picture_keeps_it():
    """
    An annotated image without an image is none.
    """
    store = MemoryStore()
    ref = store.files.put(io.BytesIO(b"x"), name="a.png")
    value = Value(kind="annotated_image", data={"image": ref, "annotations": []})
    store.append([flag := Flag(outputs={"o": value})])

    answer = Reviewer(store).decide(
        flag.id, correction={"o": {"places": {"image": None}, "items": []}}
    )

    assert "it needs an image" in answer["error"]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("gallery", [{"image": "x", "caption": None}]),
        ("gallery", [{"image": {}, "caption": 3}]),
        ("gallery", [{"image": {}, "caption": None}] * 301),
        ("gallery", "x"),
        ("image_pair", [None]),
        ("image_editor", {"layers": "x"}),
        ("image_editor", {"background": None, "composite": None, "layers": {}}),
        ("annotated_image", {"image": None}),
        ("multimodal", {"text": None, "files": []}),
        ("highlighted_text", {"text": "x"}),
        ("highlighted_text", [{"token": 3, "class_or_confidence": None}]),
        ("highlighted_text", [{"token": "a", "class_or_confidence": []}]),
        ("highlighted_text", [{"token": "a", "class_or_confidence": None}] * 2501),
        ("image", "x"),
    ],
)
def test_what_is_not_as_its_kind_says_is_edited_as_json(kind, data):
    """
    A value of a shape that no component of ours has still has an editor, and a page.
    """
    store = MemoryStore()
    flag = Flag(outputs={"o": Value(kind=kind, data=data)})
    store.append([flag])
    answer = Reviewer(store).get(f"/flag?id={flag.id}")
    assert answer.status_code == 200
    assert 'data-control="json"' in answer.text
