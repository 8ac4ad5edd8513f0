"""
Logs with files beside them: where each version put them, and what hostile hands make of that.
"""

import json

from logs_by_hand import (
    HEX,
    HEX40,
    HEX_2,
    PNG,
    T2,
    Case,
    Kept,
    T,
    compact,
    file_data,
    flag,
    log,
    old,
    one,
    rows,
)

from flagstone.stores.csv_folder.gradio_cells import EMPTY, LOOKS_SO, OTHER_FIELD
from flagstone.stores.csv_folder.gradio_files import NAMELESS, NO_FILE, POINTER

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4\n"
URL = f"http://127.0.0.1:7860/file=/tmp/gradio/{HEX40}/a.png"
ISSUED = file_data(f"flagged/im/{HEX}/a.png", url=URL, size=4, orig_name="a.png", mime_type="")
MARKED = {**ISSUED, "is_stream": False, "meta": {"_type": "gradio.FileData"}}
LABEL = {"label": "cat", "confidences": [{"label": "cat", "confidence": 0.7}]}
A = {f"im/{HEX}/a.png": PNG}
IMAGE = ("image", Kept("a.png", PNG))


def image(name: str, cell: str, path: str, read=None, doubt=None, *, log: str = "log.csv") -> Case:
    """A log with one cell `im`, and a picture at *path*."""
    value = ("image", read or Kept(path.rpartition("/")[2], PNG))
    files = one("im", cell, name=log) | {path: PNG}
    return Case(name, files, [flag({"im": value}, {"im": doubt} if doubt else {})])


def json_file(name: str, cell: str, kind: str, data, doubt=None) -> Case:
    """A log with one cell `label`, and JSON in the file that it names."""
    files = one("label", cell) | {"label/tmp92qzgt6g.json": json.dumps(data).encode()}
    return Case(name, files, [flag({"label": (kind, data)}, {"label": doubt} if doubt else {})])


def gone(name: str, cell: str, doubt: str = NO_FILE, **files: bytes) -> Case:
    """A log with one cell `im`, whose file cannot be taken."""
    return Case(name, one("im", cell) | files, [flag({"im": ("file", None)}, {"im": doubt})])


MALLORY = {"log.csv": log(["im", "text"], [f"flagged/im/{HEX}/a.png", f"flagged/im/{HEX}/a.png",
                                           "", "", T])}  # fmt: skip
CASES = [
    # Where each version put them.
    image("a path of 5", f".gradio/flagged/im/{HEX}/a.png", f"im/{HEX}/a.png", log="dataset1.csv"),
    image("a path of 4.44", f"flagged/im/{HEX}/a.png", f"im/{HEX}/a.png"),
    image("a path of Windows", rf"D:\p\flagged\im\{HEX}\a.png", f"im/{HEX}/a.png"),
    image("FileData of 4.0 to 4.20", compact(ISSUED), f"im/{HEX}/a.png"),
    image("FileData spaced as json.dumps does", json.dumps(ISSUED), f"im/{HEX}/a.png"),
    image("FileData not simplified", json.dumps(MARKED), f"im/{HEX}/a.png", log="dataset1.csv"),
    image(
        "FileData of Windows",
        compact(file_data(rf"C:\d\flagged\im\{HEX}\a.png", orig_name="Bild ä.png")),
        f"im/{HEX}/a.png",
        Kept("Bild ä.png", PNG),
    ),
    image("3.28 to 3.50", f"flagged/im/{HEX40}/tmp92qzgt6g.png", f"im/{HEX40}/tmp92qzgt6g.png",
          doubt=NAMELESS),
    image("3.4 to 3.27", "/home/u/flagged/im/tmpcyak6cqo.png", "im/tmpcyak6cqo.png",
          doubt=NAMELESS),
    image("3.20 with the person's name", "/h/flagged/im/cat92qzgt6g.png", "im/cat92qzgt6g.png",
          doubt=NAMELESS),
    image("a webcam's picture", f"flagged/im/{HEX}/png", f"im/{HEX}/png"),
    image("a blob", f"flagged/im/{HEX}/blob", f"im/{HEX}/blob"),
    Case(
        "a file of 2.x",
        {"log.csv": old(["im", "out", "timestamp"], ["im/0.png", "cat", T]), "im/0.png": PNG},
        [flag({"im": ("image", Kept("0.png", PNG)), "out": "cat"}, {"im": NAMELESS})],
    ),
    Case(
        "a label with blanks and a slash",
        {"log.csv": log(["Your/ im: 1"], [f"flagged/Your im 1/{HEX}/a.png", "", "", T]),
         f"Your im 1/{HEX}/a.png": PNG},
        [flag({"Your/ im: 1": IMAGE})],
    ),
    Case(
        "a field without a label",
        {"log.csv": log(["component 0"], [f"flagged/component 0/{HEX}/a.png", "", "", T]),
         f"component 0/{HEX}/a.png": PNG},
        [flag({"component 0": IMAGE})],
    ),
    Case(
        "an upgrade from 4.15 to 4.44 in one log",
        {"log.csv": log(["im"], [compact(ISSUED), "", "", T],
                        [f"flagged/im/{HEX_2}/b.png", "", "", T2]),
         **A, f"im/{HEX_2}/b.png": PNG},
        [flag({"im": IMAGE}), flag({"im": ("image", Kept("b.png", PNG))}, time=T2)],
    ),
    Case(
        "several files of 4.15",
        one("im", compact([ISSUED, file_data(f"flagged/im/{HEX_2}/b.png")]))
        | A | {f"im/{HEX_2}/b.png": PNG},
        [flag({"im": ("file", [Kept("a.png", PNG), Kept("b.png", PNG)])})],
    ),
    Case(
        "a gallery of 5",
        one("im", json.dumps([{"image": f"flagged/im/{HEX}/a.png", "caption": "x"}])) | A,
        [flag({"im": ("gallery", [{"image": Kept("a.png", PNG), "caption": "x"}])})],
    ),
    Case(
        "a gallery of 3",
        one("im", "/h/flagged/im/01234567-89ab-cdef-0123-456789abcdef")
        | {"im/01234567-89ab-cdef-0123-456789abcdef/tmp92qzgt6g.png": PNG,
           "im/01234567-89ab-cdef-0123-456789abcdef/captions.json":
               b'{"/h/flagged/im/01234567-89ab-cdef-0123-456789abcdef/tmp92qzgt6g.png": "x"}'},
        [flag({"im": ("gallery", [{"image": Kept("tmp92qzgt6g.png", PNG), "caption": "x"}])},
              {"im": NAMELESS})],
    ),
    Case(
        "SimpleCSVLogger of 4",
        {"log.csv": rows(["x", f"flagged/im/{HEX}/a.png"]).encode(), **A},
        [flag({"component 0": "x", "component 1": IMAGE}, time=None)],
    ),
    Case(
        "the Hub saver of 4",
        {"data.csv": rows(["im", "im file", "flag", "username"],
                          [f"im/{HEX}/a.png", "https://huggingface.co/a.png", "wrong", "ana"]
                          ).encode(), **A},
        [flag({"im": IMAGE}, option="wrong", user="ana", time=None)],
    ),
    Case(
        "the Hub saver of 3",
        {"data.csv": rows(["im", "im file", "flag"],
                          [f"im/{HEX}/a.png", "https://huggingface.co/a.png", "wrong"]
                          ).encode(), **A},
        [flag({"im": IMAGE}, option="wrong", time=None)],
    ),
    Case(
        "the Hub saver of 4 with a directory a flag",
        {"0a/metadata.jsonl": json.dumps({"im": f"im/{HEX}/a.png", "flag": "", "username": ""}
                                         ).encode(), f"0a/im/{HEX}/a.png": PNG},
        [flag({"im": IMAGE}, time=None)],
    ),
    # Data that Gradio 3 kept in files.
    json_file("a label of 3", "/h/flagged/label/tmp92qzgt6g.json", "label", LABEL),
    json_file("a label of 3 on Windows", r"D:\p\flagged\label\tmp92qzgt6g.json", "label", LABEL),
    json_file("JSON of 3", "flagged/label/tmp92qzgt6g.json", "json", {"a": [1]}, LOOKS_SO),
    json_file("a Chatbot of 3", "flagged/label/tmp92qzgt6g.json", "chat", [["a", "b"]], LOOKS_SO),
    # Files that cannot be taken.
    gone("a file that is gone", f"flagged/im/{HEX}/a.png"),
    gone("a file of 3.4 that is gone", "/h/flagged/im/tmpcyak6cqo.png"),
    gone("FileData whose file is gone", compact(ISSUED)),
    gone("a Git LFS pointer", f"flagged/im/{HEX}/a.png", POINTER, **{f"im/{HEX}/a.png": LFS}),
    gone("a pointer of git-annex", f"flagged/im/{HEX}/a.png", POINTER,
         **{f"im/{HEX}/a.png": b"/annex/objects/SHA256E-s4--00.png\n"}),
    gone("a pointer in place of JSON of 3", "flagged/im/tmp92qzgt6g.json", POINTER,
         **{"im/tmp92qzgt6g.json": LFS}),
    gone("a folder in place of a file", f"flagged/im/{HEX}/a.png", **{f"im/{HEX}/a.png/x": b"x"}),
    # A file belongs to its own column.
    Case(
        "a path of another's picture, typed in a text field",
        {**MALLORY, **A},
        [flag({"im": IMAGE, "text": f"flagged/im/{HEX}/a.png"}, {"text": OTHER_FIELD})],
    ),
    Case(
        "FileData of another's picture, typed in a text field",
        {"log.csv": log(["im", "text"], [f"flagged/im/{HEX}/a.png", json.dumps(MARKED),
                                         "", "", T]), **A},
        [flag({"im": IMAGE, "text": ("file", None)}, {"text": NO_FILE})],
    ),
    Case(
        "another's picture within JSON, typed in a text field",
        {"log.csv": log(["im", "text"], [f"flagged/im/{HEX}/a.png",
                                         json.dumps([f"flagged/im/{HEX}/a.png"]), "", "", T]), **A},
        [flag({"im": IMAGE, "text": ("choices", [f"flagged/im/{HEX}/a.png"])},
              {"text": OTHER_FIELD})],
    ),
    Case(
        "another's picture, typed in a text field of the same label",
        {
            "log.csv": log(
                ["im", "im"],
                [f"flagged/im/{HEX}/a.png", "", "", "", T],
                ["", f"flagged/im/{HEX}/a.png", "", "", T2],
            ),
            **A,
        },
        [
            flag({"im": IMAGE, "im_2": ""}, {"im_2": EMPTY}),
            flag(
                {"im": ("file", None), "im_2": f"flagged/im/{HEX}/a.png"},
                {"im_2": OTHER_FIELD},
                time=T2,
            ),
        ],
    ),
    Case(
        "a way round by dots",
        one("text", f"flagged/text/../im/{HEX}/a.png") | A | {"text/x": b"x"},
        [flag({"text": f"flagged/text/../im/{HEX}/a.png"}, {"text": OTHER_FIELD})],
    ),
    Case(
        "a label of dots",
        {"log.csv": log([".."], [f"flagged/../im/{HEX}/a.png", "", "", T]), **A},
        [flag({"..": f"flagged/../im/{HEX}/a.png"}, {"..": OTHER_FIELD})],
    ),
    Case(
        "a picture that two fields without a header name",
        {"log.csv": rows([f"flagged/im/{HEX}/a.png", f"flagged/im/{HEX}/a.png"]).encode(), **A},
        [flag({"component 0": f"flagged/im/{HEX}/a.png", "component 1": f"flagged/im/{HEX}/a.png"},
              {"component 0": OTHER_FIELD, "component 1": OTHER_FIELD}, time=None)],
    ),
    Case(
        "a picture that was not given",
        {"log.csv": log(["im", "text"], ["", "x", "", "", T],
                        [f"flagged/im/{HEX}/a.png", "", "", "", T2]), **A},
        [flag({"im": ("file", None), "text": "x"}),
         flag({"im": IMAGE, "text": ""}, {"text": EMPTY}, time=T2)],
    ),
]  # fmt: skip
