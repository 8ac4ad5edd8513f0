"""
Logs by their rows, their encodings, and what else may stand in a file.
"""

import json

from logs_by_hand import ENDS, T2, Case, T, flag, log, one, rows

from flagstone.errors import NoStoreError, UnreadableRecordError
from flagstone.stores.csv_folder.gradio_cells import EMPTY, LOOKS_SO
from flagstone.stores.csv_folder.gradio_chat import NO_MESSAGE, NO_REACTION, WITHDRAWN
from flagstone.stores.csv_folder.gradio_log import NO_TIME
from flagstone.stores.csv_folder.gradio_rows import SHORT, SURPLUS, UNPLACED

CHAT = ["conversation", "index", "value", "flag", "timestamp"]
PAIRS = json.dumps([["hi", "hello"]])
TALK = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]
GERMAN = "Grüße: schön größer"
CHINESE = "今天天气怎么样 请翻译这句话 机器学习模型的输出是错误的"
JAPANESE = "こんにちは、今日の天気はどうですか。翻訳してください。"
SHORTER = {"name": SHORT, "intensity": SHORT, "output": SHORT}
FULL = log(["name", "intensity", "output"], ["a", "1", "Hello a", "", "ana", T])
REFUSED = UnreadableRecordError


def read(name: str, content: bytes, *flags: dict, file: str = "log.csv", **options) -> Case:
    """A log of this content."""
    return Case(name, {file: content}, list(flags), **options)


def refused(name: str, content: bytes, words: str, file: str = "log.csv") -> Case:
    """A log that is refused in these words."""
    return Case(name, {file: content}, error=REFUSED, words=words)


def text(name: str, content: bytes, cell: str, **options) -> Case:
    """A log with one text, *cell*."""
    return read(name, content, flag({"a": cell}), **options)


def like(before: list, reply: list | None, option: str | None, time: str = T, doubts=None) -> dict:
    """A reaction in a chat."""
    outputs = {"message": ("chat", reply)} if reply else {}
    conversation = {"conversation": ("chat", before)}
    return flag(conversation, doubts, outputs=outputs, option=option, time=time)


FIRST = flag({"name": "a", "intensity": ("number", 1)}, {"intensity": LOOKS_SO}, user="ana",
             outputs={"output": "Hello a"})  # fmt: skip

CASES = [
    # Rows shorter and longer than the header.
    read(
        "a field fewer, where only one place fits",
        FULL + rows(["b", "Hello b", "wrong", "bob", T2]).encode(),
        FIRST,
        flag({"name": "b", "intensity": ("number", None)}, SHORTER,
             outputs={"output": "Hello b"}, option="wrong", user="bob", time=T2),
    ),
    read(
        "a field fewer, and nothing tells which",
        log(["name", "text", "answer"], ["b", "Hello b", "wrong", "bob", T]),
        flag({"name": "b", "text": "Hello b", "answer": ""},
             {"name": SHORT, "text": SHORT, "answer": SHORT}, option="wrong", user="bob"),
    ),
    read(
        "a field more in 4",
        log(["a"], ["x", "y", "wrong", "bob", T]),
        flag({"a": "x", "component 1": "y"}, {"component 1": SURPLUS}, option="wrong", user="bob"),
    ),
    read(
        "cells behind the time",
        log(["a"], ["x", "wrong", "bob", T, "note"]),
        flag({"a": "x"}, {"surplus cell": SURPLUS}, option="wrong", user="bob"),
    ),
    read(
        "a user without a column in 5",
        rows(["a", "timestamp"], ["x", "bob", T]).encode(),
        flag({"a": "x"}, {"surplus cell": UNPLACED}),
        file="dataset1.csv",
    ),
    read(
        "an option and a user without columns in 5",
        rows(["a", "timestamp"], ["x", "wrong", "bob", T]).encode(),
        flag({"a": "x"}, option="wrong", user="bob"),
        file="dataset1.csv",
    ),
    read(
        "an option where there is no column for a user in 5",
        rows(["a", "flag", "timestamp"], ["x", T], ["y", "wrong", T]).encode(),
        flag({"a": "x"}),
        flag({"a": "y"}, option="wrong"),
        file="dataset1.csv",
    ),
    read(
        "two rows in one line",
        log(["a", "b"]) + f'a,b,,,{T}"c,d",e,wrong,bob,{T2}\r\n'.encode(),
        flag({"a": "a", "b": "b"}),
        flag({"a": "c,d", "b": "e"}, option="wrong", user="bob", time=T2),
    ),
    read(
        "two rows in one line without quotes",
        log(["a"]) + f"a,,,{T}b,wrong,bob,{T2}\r\n".encode(),
        flag({"a": "a"}),
        flag({"a": "b"}, option="wrong", user="bob", time=T2),
    ),
    read(
        "a row that was cut off",
        log(["a", "b"], ["x", "y"]),
        flag({"a": "", "b": ""}, {"a": SHORT, "b": SHORT, "timestamp": NO_TIME},
             option="x", user="y", time=None),
    ),
    read(
        "a column that a person added",
        rows(["a", *ENDS, "notes"], ["x", "wrong", "bob", T, "see"]).encode(),
        flag({"a": "x", "notes": "see"}, option="wrong", user="bob"),
    ),
    # What stands between the rows.
    read(
        "a header again",
        log(["a"], ["x", "", "", T]) + log(["a"], ["y", "", "", T2]),
        flag({"a": "x"}),
        flag({"a": "y"}, time=T2),
    ),
    read(
        "another header",
        log(["a"], ["x", "", "", T]) + log(["b", "c"], ["y", "z", "wrong", "", T2]),
        flag({"a": "x"}),
        flag({"b": "y", "c": "z"}, option="wrong", time=T2),
    ),
    read("empty lines", b"\r\n" + log(["a"], ["x", "", "", T]) + b"\r\n\r\n", flag({"a": "x"})),
    refused("a conflict", log(["a"], ["x", "", "", T]) + b"<<<<<<< HEAD\r\n", "line 3: it is a"),
    refused("a conflict's middle", log(["a"]) + b"=======\r\n", "line 2: it is a Git"),
    read("a conflict as a text", log(["a"], ["<<<<<<< HEAD\nx", "", "", T]),
         flag({"a": "<<<<<<< HEAD\nx"})),
    refused("a Git LFS pointer in place of the log",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "line 1: it is only a Git LFS pointer"),
    refused("NULs", b"\0" * 5000, "line 1: it contains only NULs"),
    refused("NULs behind a row", log(["a"], ["x", "", "", T]) + b"\0" * 100,
            "line 3: it contains only NULs"),
    refused("a quote that is not closed", log(["a"], ["x", "", "", T]) + b'"y,,,\r\nz,,,\r\n',
            "line 3: its quotes do not match"),
    Case("nothing but a header", {"log.csv": log(["a"])}, error=NoStoreError),
    # Encodings.
    text("UTF-8 with a mark", b"\xef\xbb\xbf" + log(["a"], [GERMAN, "", "", T]), GERMAN),
    text("UTF-16", log(["a"], [GERMAN, "", "", T]).decode().encode("utf-16"), GERMAN),
    text("UTF-16, the other way", "\ufeff".encode("utf-16-be")
         + log(["a"], [GERMAN, "", "", T]).decode().encode("utf-16-be"), GERMAN),
    text("UTF-16 without a mark", log(["a"], ["x", "", "", T]).decode().encode("utf-16-le"), "x"),
    text("what Excel calls Unicode",
         ("\ufeff" + log(["a"], [GERMAN, "", "", T], delimiter="\t").decode()).encode("utf-16-le"),
         GERMAN),
    text("cp1252", log(["a"], [GERMAN, "", "", T]).decode().encode("cp1252"), GERMAN),
    text("GBK", log(["a"], [CHINESE, "", "", T]).decode().encode("gbk"), CHINESE),
    text("Shift JIS", log(["a"], [JAPANESE, "", "", T]).decode().encode("cp932"), JAPANESE),
    refused("two characters of GBK", log(["a"], ["你好", "", "", T]).decode().encode("gbk"),
            "line 2: it is not UTF-8, and its encoding is uncertain"),
    refused("French in cp1252", log(["a"], ["Voilà l'été", "", "", T]).decode().encode("cp1252"),
            "line 2: it is not UTF-8, and its encoding is uncertain"),
    text("French in cp1252 that is named",
         log(["a"], ["Voilà l'été", "", "", T]).decode().encode("cp1252"), "Voilà l'été",
         encoding="cp1252"),
    refused("lines of two encodings",
            log(["a"], ["für", "", "", T]) + rows(["für", "", "", T2]).encode("cp1252"),
            "line 3: it is not UTF-8"),
    # Dialects.
    text("semicolons", log(["a"], ["x, y", "", "", T], delimiter=";"), "x, y"),
    text("Excel's own first line", b"sep=;\r\n" + log(["a"], ["x", "", "", T], delimiter=";"), "x"),
    text("tabs", log(["a"], ["x, y", "", "", T], delimiter="\t"), "x, y"),
    text("line ends of old Macs", log(["a"], ["x", "", "", T], end="\r"), "x"),
    text("line ends of Unix", log(["a"], ["x", "", "", T], end="\n"), "x"),
    text("line ends that Windows doubled", log(["a"], ["x", "", "", T], end="\r\r\n"), "x"),
    text("no line end at last", log(["a"], ["x", "", "", T]).removesuffix(b"\r\n"), "x"),
    # Which file.
    text("a log that is named", log(["a"], ["x", "", "", T]), "x", path="log.csv"),
    Case("a log of another name", {"mine.csv": log(["a"], ["x", "", "", T])}, [flag({"a": "x"})],
         path="mine.csv"),
    Case("one of two logs", one("a", "x") | {"log2.csv": log(["a"], ["y", "", "", T])},
         [flag({"a": "x"})], path="log.csv"),
    Case("a project", {"flagged/log.csv": log(["a"], ["x", "", "", T]), "app.py": b""},
         [flag({"a": "x"})]),
    Case(
        "a project of 5, with cached examples and a training's log",
        {
            ".gradio/flagged/dataset1.csv": log(["a"], ["x", "", "", T]),
            ".gradio/cached_examples/12/log.csv": log(["a"], ["y", "", "", T]),
            "runs/log.csv": b"epoch,loss\r\n1,0.5\r\n",
            ".venv/flagged/log.csv": log(["a"], ["z", "", "", T]),
        },
        [flag({"a": "x"})],
    ),
    Case("a project whose demo keeps them elsewhere",
         {"my flags/log.csv": log(["a"], ["x", "", "", T])}, [flag({"a": "x"})]),
    Case("a project with nothing", {"runs/log.csv": b"epoch,loss\r\n1,0.5\r\n"},
         error=NoStoreError),
    Case("a log that is not there", one("a", "x"), error=NoStoreError, path="log3.csv"),
    # Chats.
    read(
        "a Like of pairs",
        rows(CHAT, [PAIRS, "[0, 1]", "Like", T]).encode(),
        like([["hi", None]], [[None, "hello"]], "Like"),
    ),
    read(
        "a Like of what the person said",
        rows(CHAT, [PAIRS, "[0, 0]", "Like", T]).encode(),
        like([], [["hi", None]], "Like"),
    ),
    read(
        "a Like of a message",
        rows(CHAT, [json.dumps(TALK), "1", "Like", T]).encode(),
        like(TALK[:1], TALK[1:], "Like"),
    ),
    read(
        "a Like that was taken back",
        rows(CHAT, [json.dumps(TALK), "1", "Like", T], [json.dumps(TALK), "1", "", T2]).encode(),
        like(TALK[:1], TALK[1:], "Like"),
        {"verdict": "rejected", "note": WITHDRAWN, "time": T2},
    ),
    read(
        "a Like of pairs that was taken back, later in the chat",
        rows(
            CHAT,
            [PAIRS, "[0, 1]", "Dislike", T],
            [json.dumps([["hi", "hello"], ["bye", "no"]]), "[0, 1]", "", T2],
        ).encode(),
        like([["hi", None]], [[None, "hello"]], "Dislike"),
        {"verdict": "rejected", "note": WITHDRAWN, "time": T2},
    ),
    read(
        "a Like that the log has not, taken back",
        rows(CHAT, [json.dumps(TALK), "1", "", T]).encode(),
        like(TALK[:1], TALK[1:], None, doubts={"value": NO_REACTION}),
    ),
    read(
        "a Like of no message",
        rows(CHAT, [json.dumps(TALK), "9", "Like", T]).encode(),
        like(TALK, None, "Like", doubts={"index": NO_MESSAGE}),
    ),
    # All else.
    read(
        "no time",
        rows(["a", *ENDS], ["x", "", "", "yesterday"]).encode(),
        flag({"a": "x"}, time=None),
    ),
    read(
        "an empty line of a simple log",
        rows(["x", ""]).encode(),
        flag({"component 0": "x", "component 1": ""}, {"component 1": EMPTY}, time=None),
    ),
]  # fmt: skip
