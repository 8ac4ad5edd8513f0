"""
Deciding: each decision is a review in the log, nobody's is overwritten unseen, some can be undone.
"""

import io
import re

import pytest
from reviewer import Reviewer

from flagstone import FileRef, Flag, Review, Value, open_store
from flagstone.review.updates import News
from flagstone.stores.memory import MemoryStore
from flagstone.testing import FailingStore, make_flag


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "flags.db") as opened:
        yield opened


def logged_in(store, users, *names):
    reviewers = []
    for name in names:
        reviewers.append(Reviewer(store, users=users))
        assert reviewers[-1].log_in(name, name * 2).status_code == 303
    return reviewers


def test_a_decision_is_a_review_in_the_log(store, users):
    """
    Everything that can be said is one review, by whoever is logged in.
    """
    flag = make_flag()
    store.append([flag])
    (ana,) = logged_in(store, users, "ana")

    answer = ana.decide(
        flag.id, verdict="accepted", tags=["hard", " blurry "], note=" why \n", assignee="bo"
    )

    (review,) = store.state(flag.id).reviews
    assert (review.by, review.verdict, review.tags) == ("ana", "accepted", ("hard", "blurry"))
    assert (review.note, review.assignee) == ("why", "bo")
    assert answer["decided"][0]["id"] == review.id


def test_too_many_tags_are_refused(store, users):
    """
    Twenty tags can be added at once; of one more none is added, and a sentence says so.
    """
    flag = make_flag()
    store.append([flag])
    (ana,) = logged_in(store, users, "ana")
    tags = [f"t{n}" for n in range(21)]

    refused = ana.post("/decide", {"flags": {flag.id: ""}, "tags": tags})
    ana.decide(flag.id, tags=tags[:20])

    assert refused.status_code == 400
    assert refused.json()["error"].startswith(
        "Cannot save tags: at most 20 can be added at once, not 21. Nothing was saved."
    )
    assert [review.tags for review in store.state(flag.id).reviews] == [tuple(tags[:20])]


def test_many_are_decided_at_once(store, users):
    """
    A bulk decision appends a review to each flag, or, where one is not there, to none.
    """
    flags = [make_flag(str(n)) for n in range(5)]
    store.append(flags)
    (ana,) = logged_in(store, users, "ana")

    answer = ana.post(
        "/decide", {"flags": {f.id: "" for f in flags[:4]} | {"x": ""}, "verdict": "fixed"}
    )
    assert answer.status_code == 404
    assert [store.state(flag.id).verdict for flag in flags] == ["open"] * 5

    ana.post("/decide", {"flags": {f.id: "" for f in flags[:4]}, "verdict": "fixed"})
    assert [store.state(flag.id).verdict for flag in flags] == ["fixed"] * 4 + ["open"]


def test_nobody_is_overwritten_unseen(store, users):
    """
    Where somebody else has decided since, nothing is appended and the page is told; who has seen
    that may decide all the same.
    """
    flag, other = make_flag(), make_flag("other")
    store.append([flag, other])
    ana, bo = logged_in(store, users, "ana", "bo")
    ana.decide(flag.id, verdict="rejected")

    answer = bo.post(
        "/decide", {"flags": {flag.id: "", other.id: ""}, "verdict": "accepted"}
    ).json()

    assert [(told["flag"], told["by"]) for told in answer["faster"]] == [(flag.id, "ana")]
    assert [told["flag"] for told in answer["decided"]] == [other.id]
    assert store.state(flag.id).verdict == "rejected"
    again = bo.decide(flag.id, seen=answer["faster"][0]["id"], verdict="accepted")
    assert again["faster"] == []
    assert store.state(flag.id).verdict == "accepted"


@pytest.mark.parametrize("place", ["flags.db", "folder"])
def test_two_servers_of_one_store(users, place, tmp_path):
    """
    Where two servers have one store, each tells what was decided at the other, and overwrites
    nothing of it unseen.
    """
    flag = make_flag()
    with open_store(tmp_path / place) as store:
        store.append([flag])
    (ana,) = logged_in(open_store(tmp_path / place), users, "ana")
    (bo,) = logged_in(open_store(tmp_path / place), users, "bo")
    assert ana.get(f"/flag?id={flag.id}").status_code == 200
    number = bo.get("/").text.partition('data-news="')[2].partition('"')[0]

    ana.decide(flag.id, verdict="rejected", tags=["hard"])

    (faster,) = bo.decide(flag.id, verdict="accepted")["faster"]
    assert (faster["by"], faster["verdict"]) == ("ana", "rejected")
    while not (news := bo.get(f"/news?since={number}").json()["decided"]):
        pass
    assert news == [faster]
    assert f'data-flag="{flag.id}"' in bo.get("/rows?q=tag:hard").text
    bo.decide(flag.id, seen=faster["id"], verdict="accepted")
    assert "accepted" in ana.get(f"/flag?id={flag.id}").text


def test_others_hear_of_it(store, users):
    """
    The news has what others have decided since, and nothing of one's own.
    """
    flag = make_flag()
    store.append([flag])
    ana, bo = logged_in(store, users, "ana", "bo")
    number = ana.get("/").text.partition('data-news="')[2].partition('"')[0]
    assert ana.get(f"/news?since={number}").json()["decided"] == []
    news = News(store)
    before = news.latest()

    bo.decide(flag.id, verdict="fixed")
    news._asked_at = 0  # the next second

    latest, reviews = news.since(before)
    assert [review.by for review in reviews] == ["bo"]
    assert news.since(latest) == (latest, [])
    for since in ("x", "-1", "9" * 30, "²"):
        assert ana.get("/news", params={"since": since}).status_code == 200


def test_a_decision_is_undone_by_another_review(store, users):
    """
    Undo appends a review that retracts another; nothing is taken out of the log.
    """
    right = {"label": Value(kind="label", data={"label": "4", "confidences": None})}
    flag = make_flag(correction=right)
    store.append([flag])
    ana, bo, ada = logged_in(store, users, "ana", "bo", "ada")
    told = ana.decide(flag.id, verdict="fixed", correction={"label": "5"})["decided"][0]
    assert store.state(flag.id).correction["label"].data["label"] == "5"
    undo = {"reviews": {flag.id: told["id"]}}

    assert bo.post("/undo", undo).status_code == 409  # it is ana's
    undone = ana.post("/undo", undo).json()
    assert ana.post("/undo", undo).status_code == 409  # not twice

    state = store.state(flag.id)
    assert (state.verdict, state.correction) == ("open", right)
    assert [(r.by, r.retracts) for r in state.reviews] == [("ana", None), ("ana", told["id"])]
    stands = {
        "flag": flag.id, "id": state.reviews[1].id, "verdict": "open", "tags": [], "assignee": None,
    }  # fmt: skip
    assert undone == {"states": [stands], "left": 0}
    withdrawal = {"reviews": {flag.id: state.reviews[1].id}}
    assert ana.post("/undo", withdrawal).status_code == 409  # decide again instead
    told = bo.decide(flag.id, seen=state.reviews[-1].id, verdict="accepted")["decided"][0]
    assert ada.post("/undo", {"reviews": {flag.id: told["id"]}}).status_code == 200
    assert store.state(flag.id).reviews[-1].by == "ada"


def test_names_that_are_no_words_are_told():
    """
    A page's script is told of a review by anybody, in any words, spelled as pages spell them.
    """
    store = MemoryStore()
    flag = make_flag()
    odd = "\ud800\u202e"
    store.append([flag, Review(flag_id=flag.id, by=odd, verdict="fixed", tags=(odd,))])

    (told,) = Reviewer(store).decide(flag.id, verdict="accepted")["faster"]

    assert (told["by"], told["tags"]) == (r"\ud800\u202e", [r"\ud800\u202e"])


def test_a_tag_a_note_a_first_correction_and_an_assignment_are_undone(store, users):
    """
    All that somebody said can be taken back; what another said meanwhile stands.
    """
    flag = make_flag()
    store.append([flag])
    ana, bo = logged_in(store, users, "ana", "bo")
    said = ({"note": "n", "tags": ["a", "b"]}, {"correction": {"label": "4"}}, {"assignee": "bo"})
    ids = []
    for each in said:
        seen = ids[-1] if ids else ""
        ids.append(ana.decide(flag.id, seen=seen, **each)["decided"][0]["id"])
    bo.decide(flag.id, seen=ids[-1], verdict="rejected", tags=["b"])

    for review in ids:
        assert ana.post("/undo", {"reviews": {flag.id: review}}).status_code == 200

    state = store.state(flag.id)
    assert (state.notes, state.tags, state.assignee) == ((), ("b",), None)
    assert (state.correction, state.verdict) == ({}, "rejected")
    page = ana.get(f"/flag?id={flag.id}").text
    assert page.count('class="withdrawn"') == 3
    assert re.findall(r"took back (.*?) +<time", page) == [
        "@bo", "the correction", "a, b, the note",
    ]  # fmt: skip


def test_what_was_undone_meanwhile_is_told(store, users):
    """
    Whoever decides upon what somebody has since taken back is told so, and is not in the way of
    what somebody decided and took back unseen.
    """
    flag = make_flag()
    store.append([flag])
    ana, bo = logged_in(store, users, "ana", "bo")
    told = ana.decide(flag.id, verdict="fixed")["decided"][0]["id"]
    ana.post("/undo", {"reviews": {flag.id: told}})

    (faster,) = bo.decide(flag.id, seen=told, verdict="accepted")["faster"]
    assert (faster["by"], faster["retracts"]) == ("ana", True)
    assert bo.decide(flag.id, seen="", verdict="accepted")["faster"] == []
    assert store.state(flag.id).verdict == "accepted"


@pytest.mark.parametrize(
    "body",
    [
        [], 3, {}, {"flags": []}, {"flags": {}}, {"flags": {"": ""}},
        {"flags": dict.fromkeys(map(str, range(501)), "")}, {"flags": {"ID": 3}},
        {"flags": {"ID": ""}, "verdict": "x"}, {"flags": {"ID": ""}, "verdict": ["open"]},
        {"flags": {"ID": ""}, "tags": "x"}, {"flags": {"ID": ""}, "tags": [""]},
        {"flags": {"ID": ""}, "tags": ["x" * 101]}, {"flags": {"ID": ""}, "note": 3},
        {"flags": {"ID": ""}, "note": "x" * 10_001}, {"flags": {"ID": ""}, "assignee": {}},
        {"flags": {"ID": ""}, "correction": []}, {"flags": {"ID": ""}, "correction": {"x": "y"}},
        {"flags": {"ID": ""}, "correction": {"label": 3}},
    ],
)  # fmt: skip
def test_what_no_page_of_ours_posts_is_refused(body):
    """
    A body of any other shape is answered with a sentence and appends nothing.
    """
    store = MemoryStore()
    flag = make_flag()
    store.append([flag])
    if isinstance(body, dict) and "ID" in body.get("flags", ()):
        body = {**body, "flags": {flag.id: body["flags"]["ID"]}}

    answer = Reviewer(store).post("/decide", body)

    assert answer.status_code == 400
    assert answer.json()["error"].startswith("Cannot save")
    assert store.state(flag.id).reviews == ()


def test_a_store_that_fails_is_told():
    """
    Where the medium fails the page says so, and nobody believes that it was kept.
    """
    memory = MemoryStore()
    flag = make_flag()
    memory.append([flag])

    answer = Reviewer(FailingStore(memory)).post(
        "/decide", {"flags": {flag.id: ""}, "verdict": "fixed"}
    )

    assert answer.status_code == 503
    assert "the medium is out of order" in answer.json()["error"]


# --- corrections --------------------------------------------------------------------------------

CHOICES = {"class": "gradio.Dropdown", "arguments": {"choices": [("One", 1), "two", 3.5]}}
TABLE = {"headers": ["n", "x", "t"], "data": [[1, 1.5, "a"], [2, 2.5, "b"]], "metadata": None}


@pytest.mark.parametrize(
    ("value", "entered", "data"),
    [
        (Value(kind="text", data="a"), "b\n=c", "b\n=c"),
        (Value(kind="text", data=None), "b", "b"),
        (Value(kind="markdown", data="a"), "*b*", "*b*"),
        (Value(kind="number", data=3), "4", 4),
        (Value(kind="number", data=3), "4.5", 4.5),
        (Value(kind="number", data=3.0), "4", 4.0),
        (Value(kind="number", data=3), " ", None),
        (Value(kind="boolean", data=True), "no", False),
        (Value(kind="label", data={"label": "a", "confidences": []}), "b",
         {"label": "b", "confidences": None}),
        (Value(kind="choice", data="two", component=CHOICES), "1", 1),
        (Value(kind="choice", data=1, component=CHOICES), "3.5", 3.5),
        (Value(kind="choice", data=1), "x", "x"),
        (Value(kind="choices", data=[1], component=CHOICES), "two\n1", ["two", 1]),
        (Value(kind="choices", data=["a"]), "", []),
        (Value(kind="color", data="#fff"), "#000", "#000"),
        (Value(kind="table", data=TABLE), [["7", "x", "a"], ["2", "2.5", "c"], ["8", "9", ""]],
         {**TABLE, "data": [[7, "x", "a"], [2, 2.5, "c"], [8, 9.0, ""]]}),
        (Value(kind="chat", data=[{"role": "user", "content": "a"},
                                  {"role": "assistant", "content": "b"}]), "c",
         [{"role": "user", "content": "a"}, {"role": "assistant", "content": "c"}]),
        (Value(kind="chat", data=[{"role": "bot", "content": [{"type": "text", "text": "b"}]}]),
         "c", [{"role": "bot", "content": [{"type": "text", "text": "c"}]}]),
        (Value(kind="chat", data=[["a", "b"]]), "c", [["a", "c"]]),
        (Value(kind="json", data={"a": (1, float("inf"))}),
         '{"a": {"$tuple": [2, {"$float": "inf"}]}}', {"a": (2, float("inf"))}),
        (Value(kind="datetime", data="2020-10-01 05:20:15"), "2021-10-01T05:20",
         "2021-10-01 05:20:00"),
        (Value(kind="datetime", data="2020-10-01 05:20:15"), "", None),
        (Value(kind="datetime", data="2020-02-30 05:20:15"), "now - 1d", "now - 1d"),
        (Value(kind="text", data="a\r\nb\0c\rd"), "a\nb\ufffdc\nd", "a\r\nb\0c\rd"),
    ],
)  # fmt: skip
def test_a_correction_has_the_type_of_its_output(value, entered, data):
    """
    What the editor of a kind holds becomes a value like the one corrected.
    """
    store = MemoryStore()
    flag = Flag(outputs={"o": value, "p": Value(kind="text", data="other")})
    store.append([flag])
    reviewer = Reviewer(store)
    assert 'class="editor"' in reviewer.get(f"/flag?id={flag.id}").text

    answer = reviewer.decide(flag.id, correction={"o": entered})

    assert "error" not in answer
    (right,) = store.state(flag.id).correction.values()
    assert right == Value(kind=value.kind, data=data, component=value.component)
    assert type(right.data) is type(data)


def test_a_corrected_label_can_be_chosen_again():
    """
    What the model had to choose from is offered after a correction, too.
    """
    seen = [{"label": label, "confidence": 0.4} for label in ("3", "5")]
    flag = make_flag(outputs={"o": Value(kind="label", data={"label": "3", "confidences": seen})})
    store = MemoryStore()
    store.append([flag])
    reviewer = Reviewer(store)

    reviewer.decide(flag.id, correction={"o": "8"})

    page = reviewer.get(f"/flag?id={flag.id}").text
    assert re.findall(r'<option value="(.)">', page) == ["3", "5"]
    assert 'name="entered" value="8"' in page


@pytest.mark.parametrize(
    ("value", "entered"),
    [
        (Value(kind="number", data=3), "three"),
        (Value(kind="datetime", data="2020-10-01 05:20:15"), "2021-02-30T05:20"),
        (Value(kind="datetime", data="2020-10-01 05:20:15"), "tomorrow"),
        (Value(kind="boolean", data=True), "perhaps"),
        (Value(kind="table", data=TABLE), [["1"]]),
        (Value(kind="table", data=TABLE), [[1, 2, 3]]),
        (Value(kind="json", data={}), "{"),
        (Value(kind="json", data={}), '{"$file": {"sha256": "' + "0" * 64 + '", "name": "x", '
         '"mime_type": null, "size": 1}}'),
        (Value(kind="json", data={}), "[" * 100_000),
        (Value(kind="plot", data={}), "{}"),
        (Value(kind="image", data=FileRef(sha256="0" * 64, name="a", size=1)), "x"),
    ],
)  # fmt: skip
def test_an_unfit_correction_is_refused(value, entered):
    """
    What is not of the output's kind, or names a file of somebody else, is not kept.
    """
    flag = Flag(outputs={"o": value})
    store = MemoryStore()
    if value.kind == "image":
        ref = store.files.put(io.BytesIO(b"x"), name="a.png")
        flag = Flag(outputs={"o": Value(kind="image", data=ref)})
    store.append([flag])

    answer = Reviewer(store).post("/decide", {"flags": {flag.id: ""}, "correction": {"o": entered}})

    assert answer.status_code == 400
    assert store.state(flag.id).reviews == ()


def test_reviews_of_other_programs_are_shown():
    """
    A review that somebody appended elsewhere stands in the history.
    """
    store = MemoryStore()
    flag = make_flag()
    store.append([flag, Review(flag_id=flag.id, by=None, assignee="bo", note="from a script")])

    page = Reviewer(store).get(f"/flag?id={flag.id}").text

    assert "from a script" in page
    assert "assigned to <bdi>bo</bdi>" in page
