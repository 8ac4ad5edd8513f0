"""
Pages of hostile records: whatever is large in one, a page stays small, and says what it left out.
"""

import io

import pytest
from reviewer import Reviewer

from flagstone import Flag, Outcome, Review, Value
from flagstone.stores.memory import MemoryStore

LONG = "x" * 1_000_000
WORD = "long words " * 200
NESTED = [[[["leaf" * 500] * 40] * 40] * 2]


def of_kind(kind, data, component=None):
    return {"inputs": {"a": Value(kind=kind, data=data, component=component)}}


LIKELY = {"label": WORD, "confidence": 1.0}
SMALL = {"url": "data:image/png;base64,AA=="}
HOSTILE = {
    "option": {"option": LONG},
    "app": {"app": LONG},
    "user": {"user": LONG},
    "session": {"session": LONG},
    "comment": {"comment": LONG},
    "context": {"context": {f"{n} {WORD}": {"a": [WORD] * 10} for n in range(300)}},
    "a context that is long": {"context": {LONG: LONG}},
    "names of fields": {"inputs": {f"{n} {WORD}": Value(kind="text") for n in range(900)}},
    "a name of a field": {"inputs": {LONG: Value(kind=LONG, data="a")}},
    "fields": {"outputs": {f"field {n}": Value(kind="text", data=WORD) for n in range(2000)}},
    "chats": {"inputs": {str(n): Value(kind="chat", data=[{"role": "user", "content": WORD}] * 400)
                         for n in range(5)}},
    "roles": of_kind("chat", [{"role": LONG, "content": "a", "metadata": {"title": LONG}}] * 5),
    "markdown": {"outputs": {str(n): Value(kind="markdown", data=f"# a\n\n{WORD}" * 10)
                             for n in range(100)}},
    "a tree": of_kind("json", NESTED),
    "keys of a tree": of_kind("json", {f"{n} {WORD}": n for n in range(1000)}),
    "cells": of_kind("table", {"headers": [WORD] * 60, "data": [[WORD] * 60] * 120}),
    "tokens": of_kind("highlighted_text", [{"token": WORD, "class_or_confidence": WORD}] * 900),
    "choices": of_kind("choice", "a", {"class": "x", "arguments": {"choices": [WORD] * 3000}}),
    "labels": of_kind("label", {"label": LONG, "confidences": [LIKELY] * 900}),
    "a colour": of_kind("color", LONG),
    "a language": of_kind("code", "a", {"class": "x", "arguments": {"language": LONG}}),
    "a gallery": of_kind("gallery", [{"image": SMALL, "caption": WORD}] * 900),
    "a picture of its own": of_kind("image", {"url": f"data:image/png;base64,{'A' * 4_000_000}"}),
    "a correction": {"correction": {"a": Value(kind="json", data=NESTED)}},
    "a plot": of_kind("plot", {"type": "plotly", "plot": f'{{"data": ["{LONG}"]}}'}),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_page_stays_small(name):
    """
    The list is less than a megabyte, a flag's page less than four.
    """
    store = MemoryStore()
    flags = [Flag(**{"app": str(n), **HOSTILE[name]}) for n in range(3)]
    store.append(flags)
    reviewer = Reviewer(store)

    listed = reviewer.get("/")
    shown = reviewer.get("/flag", params={"id": flags[0].id})

    assert (listed.status_code, shown.status_code) == (200, 200)
    assert len(listed.content) < 1_000_000
    assert len(shown.content) < 4_000_000
    assert shown.text.rstrip().endswith("</html>")


def test_what_was_said_about_a_flag_is_cut():
    """
    Of thousands of reviews and outcomes the latest are shown, with how many more there are.
    """
    store = MemoryStore()
    ref = store.files.put(io.BytesIO(b"a"), name=f"{'n' * 200}.png")
    flag = Flag(inputs={"a": Value(kind="file", data=[ref] * 3000)})
    tags = tuple(f"tag {n} {WORD}"[:100] for n in range(20))
    reviews = [
        Review(flag_id=flag.id, by=WORD, tags=tags, note=WORD, assignee=WORD) for _ in range(600)
    ]
    outcome = {"model": WORD, "status": "changed", "outputs": {"a": Value(kind="text", data=WORD)}}
    outcomes = [Outcome(flag_id=flag.id, run_id=str(n), **outcome) for n in range(200)]
    store.append([flag, *reviews, *outcomes])
    reviewer = Reviewer(store)

    page = reviewer.get("/flag", params={"id": flag.id})

    assert len(page.content) < 4_000_000
    assert "and 500 more" in page.text
    assert page.text.count("data-review=") == 100
    assert len(reviewer.get("/").content) < 1_000_000


def test_a_query_is_bounded():
    """
    A query that would be repeated on every row of the list is refused when it is very long.
    """
    reviewer = Reviewer(MemoryStore())
    for path in ("/", "/rows", "/dashboard"):
        answer = reviewer.get(path, params={"q": "x" * 4001})
        assert answer.status_code == 400
        assert "A query has at most 4,000 characters." in answer.text
