"""
Logs by what stands in their cells.
"""

import json

from logs_by_hand import ENDS, HEX, HEX40, T2, Case, T, flag, log, old, one, rows

from flagstone.stores.csv_folder.gradio_cells import (
    APOSTROPHE,
    DIGITS,
    EMPTY,
    LOOKS_SO,
    NOT_ITS,
    OTHER_FIELD,
    RESPELLED,
    Field,
)

INDENTED = '{\n  "id": 0,\n  "a": [\n    1,\n    2\n  ]\n}'
LINK = f"see https://example.com/{HEX40}/a.png"
SPACE = f"https://ana-demo.hf.space/file=/tmp/gradio/{HEX40}/a.png"
LABEL = {"label": "cat", "confidences": [{"label": "cat", "confidence": 0.7}]}
CHAT = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]
PAIRS = [["hi", "hello"], ["bye", None]]
TABLE = {"headers": ["a", "b"], "data": [[1, "x"]], "metadata": None}
SCORE = (Field(name="score", kind="text"),)


def number(text: str) -> int:
    return json.loads(text)


def text(name: str, cell: str, read=None, doubt=None, *, log: str = "log.csv") -> Case:
    """A log of one cell of text."""
    doubts = {"a": doubt} if doubt else {}
    return Case(name, one("a", cell, name=log), [flag({"a": read or cell}, doubts)])


def data(name: str, cell: str, kind: str, read, doubt=None, *, log: str = "log.csv") -> Case:
    """A log of one cell of data."""
    doubts = {"a": doubt} if doubt else {}
    return Case(name, one("a", cell, name=log), [flag({"a": (kind, read)}, doubts)])


CASES = [
    # Text that looks like something else.
    text("indented JSON, escaped for its newline", f"'{INDENTED}", INDENTED, APOSTROPHE),
    text("indented JSON of 6.0", INDENTED, log="dataset1.csv"),
    text("JSON with two blanks", '{"a":  1}'),
    text("a Python list typed in 5", "['Travel & Food']", log="dataset1.csv"),
    text("a Python dict typed in 6", "{'a': 1}", log="dataset1.csv"),
    text("a Python list with other quotes in 3", "[\"a\", 'b']"),
    text("digits with zeros before them", "007", doubt=DIGITS),
    text("a decimal with a zero behind", "1.10", doubt=DIGITS),
    text("a phone number", "'+49 30 1234567", "+49 30 1234567", APOSTROPHE),
    text("a date of digits", "2024 05 01", doubt=DIGITS),
    text("thousands", "1,234,567", doubt=DIGITS),
    text("digits of 41", "1" * 41, doubt=DIGITS),
    text("a link with forty hex digits", LINK),
    text("a link of a Space", SPACE),
    text("a link in 6", LINK, log="dataset3.csv"),
    text("a path that somebody typed", f"/home/ana/{HEX}/a.png", doubt=OTHER_FIELD),
    text("a Windows path that somebody typed", rf"C:\ana\{HEX}\a.png", doubt=OTHER_FIELD),
    text("a path without hash", "/home/ana/a.png"),
    text("a formula", "'=1+1", "=1+1", APOSTROPHE),
    text("a list of points", "'- a\n- b", "- a\n- b", APOSTROPHE),
    text("an apostrophe of the person's", "'tis", "'tis"),
    text("JSON of two values", '{"a": 1} {"b": 2}'),
    text("a quoted text", '"quoted"'),
    text("truth", "TRUE"),
    text("NaN", "NaN"),
    text("a number of nothing", "1e999", doubt=DIGITS),
    Case("an empty cell", one("a", ""), [flag({"a": ("text", "")}, {"a": EMPTY})]),
    # What may be text or not.
    data("digits", "123", "number", 123, LOOKS_SO),
    data("digits in 6", "123", "number", 123, LOOKS_SO, log="dataset1.csv"),
    data("a negative number", "'-0.5", "number", -0.5, LOOKS_SO),
    data("a negative number of 3", "-0.5", "number", -0.5, LOOKS_SO),
    data("a small number", "1e-07", "number", 1e-07, LOOKS_SO),
    data("a checkbox", "true", "boolean", True, LOOKS_SO),
    data("a checkbox of 3", "False", "boolean", False, LOOKS_SO),
    data("choices", '["a", "b"]', "choices", ["a", "b"], LOOKS_SO),
    data("choices of 3", "['a', 'b']", "choices", ["a", "b"], LOOKS_SO),
    data("JSON", '{"a": [1, null]}', "json", {"a": [1, None]}, LOOKS_SO, log="dataset1.csv"),
    data("JSON of 4.0", '{"a":[1,null],"é":"b c"}', "json", {"a": [1, None], "é": "b c"}, LOOKS_SO),
    data("pairs of a Chatbot of 4", json.dumps(PAIRS), "chat", PAIRS, LOOKS_SO),
    data("pairs of a Chatbot of 3", repr(PAIRS), "chat", PAIRS, LOOKS_SO),
    # What no text looks like.
    data("a label", json.dumps(LABEL), "label", LABEL),
    data("a table", json.dumps(TABLE), "table", TABLE),
    data("messages", json.dumps(CHAT), "chat", CHAT),
    # A column tells more than a cell.
    Case(
        "text among which are numbers and JSON",
        {"log.csv": log(["a"], *[[cell, "", "", T] for cell in ("5", "x", '{"a": 1}', "1.5")])},
        [
            flag({"a": "5"}),
            flag({"a": "x"}),
            flag({"a": '{"a": 1}'}, {"a": RESPELLED}),
            flag({"a": "1.5"}, {"a": RESPELLED}),
        ],
    ),
    Case(
        "numbers, of which one was not given",
        {"log.csv": log(["a"], ["5", "", "", T], ["", "", "", T2])},
        [
            flag({"a": ("number", 5)}, {"a": LOOKS_SO}),
            flag({"a": ("number", None)}, {"a": EMPTY}, time=T2),
        ],
    ),
    # What the demo tells.
    Case("digits, by the demo", one("score", "123"), [flag({"score": "123"})], fields=SCORE),
    Case("zeros, by the demo", one("score", "007"), [flag({"score": "007"})], fields=SCORE),
    Case(
        "a number, by the demo",
        one("score", "7"),
        [flag({"score": ("number", 7)})],
        fields=(Field(name="score", kind="number", parse=number),),
    ),
    Case(
        "what is no number, by the demo",
        one("score", "seven"),
        [flag({"score": "seven"}, {"score": NOT_ITS})],
        fields=(Field(name="score", kind="number", parse=number),),
    ),
    Case(
        "an output, by the demo",
        {"log.csv": log(["q", "a"], ["x", "y", "", "", T])},
        [flag({"q": "x"}, outputs={"a": "y"})],
        fields=(Field(name="q", kind="text"), Field(name="a", kind="text", is_output=True)),
    ),
    Case(
        "columns without a header, by the demo",
        {"log.csv": rows(["1", "y"]).encode()},
        [flag({"component 0": "1"}, outputs={"component 1": "y"}, time=None)],
        fields=(Field(name="q", kind="text"), Field(name="a", kind="text", is_output=True)),
    ),
    # Gradio 2 to 3.1: apostrophes for quotes, and none put before formulas.
    Case(
        "2.x",
        {"log.csv": old(["name", "out", "flag", "timestamp"], ["it's, ok", 7, "wrong", T])},
        [flag({"name": "it's, ok", "out": ("number", 7)}, {"out": LOOKS_SO}, option="wrong")],
    ),
    Case(
        "2.x with a user, and no options",
        {"log.csv": old(["name", "username", "timestamp"], ["'=x", "bob", T])},
        [flag({"name": "'=x"}, user="bob")],
    ),
    Case(
        "3.0",
        {"log.csv": old(["a", "b", *ENDS], ["- x", '["p", "q"]', "", "", T])},
        [flag({"a": "- x", "b": ("choices", ["p", "q"])}, {"b": LOOKS_SO})],
    ),
    Case(
        "2.x without a header",
        {"log.csv": old(["a, b", "it's"], ["c", "d"])},
        [
            flag({"component 0": "a, b", "component 1": "it's"}, time=None),
            flag({"component 0": "c", "component 1": "d"}, time=None),
        ],
    ),
    Case(
        "a label of 2.x",
        {"log.csv": old(["a", "b", "timestamp"], ["x", '{"cat": 0.7}', T])},
        [flag({"a": "x", "b": ("json", {"cat": 0.7})}, {"b": LOOKS_SO})],
    ),
]
