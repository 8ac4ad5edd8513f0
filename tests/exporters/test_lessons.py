"""
Exports to learn from: pairs of answers and conversations, made of corrections.
"""

import io
import json

import pytest
from datasets import load_dataset

from flagstone import Review, Value, open_store
from flagstone.core.query_syntax import parse_query
from flagstone.errors import NothingToExportError
from flagstone.exporters.export import export
from flagstone.testing import make_flag


def text(data) -> Value:
    return Value(kind="text", data=data)


def answered(question, wrong, right, **fields):
    inputs = fields.pop("inputs", {"question": text(question)})
    return make_flag(
        inputs=inputs,
        outputs={"answer": text(wrong)},
        correction={} if right is None else {"answer": text(right)},
        **fields,
    )


@pytest.fixture
def store():
    return open_store("memory:")


def exported(store, tmp_path, form, query=""):
    manifest = export(store, tmp_path / form, query=parse_query(query), format=form)
    (path,) = (tmp_path / form).glob("*.jsonl")
    rows = [json.loads(line) for line in path.read_bytes().decode().split("\n")[:-1]]
    assert len(rows) == manifest.rows
    assert len(load_dataset("json", data_files=str(path), split="train")) == len(rows)
    return rows


def test_a_correction_is_chosen_over_the_output(store, tmp_path):
    """
    A pair is the prompt, the correction of today and the output that it corrects.
    """
    flag, other = answered("Capital?\n", "Rome", "Bern"), answered("2+2?", "=5", None)
    same, hostile = answered("x", "y", "y"), answered("\u202e", "\0", "\ud800")
    store.append([flag, other, same, hostile])
    store.append([Review(flag_id=other.id, correction={"answer": text("4")})])

    rows = exported(store, tmp_path, "preference")

    assert rows == [
        {"id": flag.id, "prompt": "Capital?\n", "chosen": "Bern", "rejected": "Rome"},
        {"id": other.id, "prompt": "2+2?", "chosen": "4", "rejected": "=5"},
        {"id": hostile.id, "prompt": "\u202e", "chosen": "\\ud800", "rejected": "\0"},
    ]


def test_what_was_rejected_or_is_no_text_teaches_nothing(store, tmp_path):
    """
    Flags without a correction, with a picture, or that a reviewer rejected are left out.
    """
    rejected = answered("q", "a", "b")
    store.append([rejected, answered("q", "a", None)])
    store.append([Review(flag_id=rejected.id, verdict="rejected")])
    with pytest.raises(NothingToExportError, match="none of 2 flags fits this format"):
        export(store, tmp_path / "out", format="preference")

    image = store.files.put(io.BytesIO(b"x"), name="a.png")
    picture = Value(kind="image", data=image)
    store.append([answered("", "a", "b", inputs={"image": picture}), answered("q", "a", "c")])

    assert [row["chosen"] for row in exported(store, tmp_path, "preference")] == ["c"]


def test_several_inputs_are_told_by_their_names(store, tmp_path):
    """
    One input is the prompt; of several each stands behind its name, a label by its own.
    """
    inputs = {"text": text("hi"), "tone": Value(kind="choice", data="dry"), "n": text(None)}
    inputs["k"] = Value(kind="number", data=3)
    store.append([answered("", "a", "b", inputs=inputs)])

    assert exported(store, tmp_path, "chat") == [
        {
            "messages": [
                {"role": "user", "content": "text: hi\ntone: dry\nk: 3"},
                {"role": "assistant", "content": "b"},
            ]
        }
    ]


MESSAGES = [
    {"role": "user", "content": "Hello", "metadata": None},
    {"role": "assistant", "content": [{"type": "text", "text": "Hi"}]},
    {"role": "user", "content": "Capital?"},
]
PAIRS = [("Hello", "Hi"), ["Capital?", None]]


@pytest.mark.parametrize("conversation", [MESSAGES, PAIRS], ids=["messages", "pairs"])
def test_a_conversation_stays_one(store, tmp_path, conversation):
    """
    Gradio's messages and pairs become messages, for a conversation and for those beside it.
    """
    reply = [{"role": "assistant", "content": "Rome"}]
    better = [[None, "Bern"]]
    chat = make_flag(
        inputs={"conversation": Value(kind="chat", data=conversation), "top_p": text("1")},
        outputs={"reply": Value(kind="chat", data=reply)},
        correction={"reply": Value(kind="chat", data=better)},
    )
    store.append([chat, answered("q", "a", "b", app="plain")])
    said = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": "Capital?"},
    ]
    bern, rome = ({"role": "assistant", "content": city} for city in ("Bern", "Rome"))

    pairs = exported(store, tmp_path, "preference")
    chats = exported(store, tmp_path, "chat", "app:digits")

    assert pairs[0] == {"id": chat.id, "prompt": said, "chosen": [bern], "rejected": [rome]}
    assert pairs[1]["prompt"] == [{"role": "user", "content": "q"}]
    assert pairs[1]["rejected"] == [{"role": "assistant", "content": "a"}]
    assert chats == [{"messages": [*said, bern]}]


@pytest.mark.parametrize(
    "content", [{"path": "a.png"}, [{"type": "file"}], 7], ids=["path", "file", "number"]
)
def test_a_conversation_with_files_is_left_out(store, tmp_path, content):
    """
    What no language model reads as text teaches none.
    """
    data = [{"role": "user", "content": content}]
    inputs = {"conversation": Value(kind="chat", data=data)}
    store.append([answered("", "a", "b", inputs=inputs)])

    with pytest.raises(NothingToExportError):
        export(store, tmp_path / "out", format="chat")
