"""
The columns of the CSV log that are for people: the same for all flags of a demo, and readable.
"""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gradio
import pandas as pd
import pytest

import flagstone.gradio as gr
from flagstone import Flag, Value
from flagstone.stores.csv_folder.store import CsvFolder

MOMENT = datetime(2026, 1, 2, tzinfo=UTC)
WHEN = "2026-01-02 00:00:00.000000+00:00"
LABEL = {"label": "4", "confidences": None}


def flag_of(**fields: Any) -> Flag:
    given: dict[str, Any] = {"inputs": {"text": "a"}, "outputs": {"label": "3"}, "user": "ana"}
    return Flag(created_at=MOMENT, option="wrong", **given | fields)


def cells_of(path: Path) -> list[list[str]]:
    """The rows without their last cell, which is the record."""
    with path.open(newline="", encoding="utf-8") as file:
        return [row[:-1] for row in csv.reader(file, strict=True)]


def test_comment_and_correction_have_columns(tmp_path):
    """
    Whether or not somebody commented, all flags of a demo are in one log, with the same columns.
    """
    store = CsvFolder(tmp_path)
    flags = [
        flag_of(),
        flag_of(comment="look\nagain", correction={"label": Value(kind="label", data=LABEL)}),
        flag_of(outputs={"label": None}, comment="nothing came"),
    ]

    for flag in flags:
        store.append([flag])

    assert cells_of(tmp_path / "dataset1.csv") == [
        ["text", "label", "flag", "comment", "label correction", "username", "timestamp"],
        ["a", "3", "wrong", "", "", "ana", WHEN],
        ["a", "3", "wrong", "look\nagain", "4", "ana", WHEN],
        ["a", "", "wrong", "nothing came", "", "ana", WHEN],
    ]
    assert list(store.scan()) == flags
    assert [path.name for path in tmp_path.glob("*.csv")] == ["dataset1.csv"]


def test_each_output_has_a_column(tmp_path):
    """
    Corrections stand in the order of the outputs; files as paths, all else as in its own column.
    """
    store = CsvFolder(tmp_path, order=["text", "x", "y", "z"])
    ref = store.files.put(Path(__file__), name="right.py")
    outputs = {"x": 1, "y": ["a"], "z": None}
    correction = {"z": ref, "y": ["=b", -1], "x": "a,=b"}
    store.append([flag_of(outputs=outputs, correction=correction)])

    header, row = cells_of(tmp_path / "dataset1.csv")

    assert header[4:9] == ["flag", "comment", "x correction", "y correction", "z correction"]
    assert row[4:8] == ["wrong", "", "'a,=b", '["=b", -1]']
    assert (tmp_path / row[8]).read_bytes() == Path(__file__).read_bytes()


@pytest.mark.parametrize(
    ("inputs", "outputs", "titles"),
    [
        ({"comment": "a"}, {"flag": "b"}, "comment_2,flag_2,flag,comment,flag correction"),
        (
            {"x correction": "a"},
            {"x": "b"},
            "x correction,x,flag,comment,x correction_2",
        ),
        ({"=x": "a"}, {"=y": "b"}, "'=x,'=y,flag,comment,'=y correction"),
        ({"a": "b"}, {}, "a,flag,comment"),
        ({}, {"a": "b"}, "a,flag,comment,a correction"),
        ({"x": "a"}, {"x": "b"}, "x,x_2,flag,comment,x correction"),
    ],
)
def test_titles_are_told_apart(tmp_path, inputs, outputs, titles):
    """
    A field may be called as a column of ours is, or as a formula; each title is there once.
    """
    flag = flag_of(inputs=inputs, outputs=outputs, comment='=HYPERLINK("x")')
    store = CsvFolder(tmp_path)
    store.append([flag])

    header, row = cells_of(tmp_path / "dataset1.csv")

    assert header == [*titles.split(","), "username", "timestamp"]
    assert row[header.index("comment")] == '\'=HYPERLINK("x")'
    assert list(store.scan()) == [flag]


def test_a_log_of_the_older_columns_is_read_on(tmp_path):
    """
    A log that an earlier version began stays as it is; new flags go to the next, all are read.
    """
    old, new = flag_of(id="old"), flag_of(comment="new")
    record = json.dumps({**json.loads(old.to_json()), "row": 1}, separators=(",", ":"))
    log = tmp_path / "dataset1.csv"
    with log.open("w", newline="", encoding="utf-8") as file:
        rows = [
            ["text", "label", "flag", "username", "timestamp", "record"],
            ["a", "3", "wrong", "ana", WHEN, record],
        ]
        csv.writer(file).writerows(rows)
    before = log.read_bytes()
    store = CsvFolder(tmp_path)

    assert list(store.scan()) == [old]
    store.append([new])
    store.append([old])

    assert list(CsvFolder(tmp_path).scan()) == [old, new]
    assert log.read_bytes() == before
    assert len(cells_of(tmp_path / "dataset2.csv")) == 2


def test_a_row_whose_record_is_gone_is_read_from_its_cells(tmp_path):
    """
    Where the record of a row was deleted, comment and correction are read from their cells.
    """
    store = CsvFolder(tmp_path)
    store.append([flag_of(comment="-1", correction={"label": "=5"})])
    path = tmp_path / "dataset1.csv"
    with path.open(newline="", encoding="utf-8") as file:
        header, row = csv.reader(file)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, [*row[:-1], ""]])

    (flag,) = CsvFolder(tmp_path).scan()

    assert isinstance(flag, Flag)
    assert (flag.comment, flag.option, flag.user) == ("-1", "wrong", "ana")
    assert flag.correction == {"label": Value(kind="text", data="=5")}
    assert [*flag.inputs] == ["text", "label"]
    assert flag.created_at == MOMENT


def test_gradio_may_go_on_in_our_log(tmp_path):
    """
    A row that Gradio's own logger appended, which knows no columns of ours, is read as its own.
    """
    store = CsvFolder(tmp_path, file_name="log.csv")
    ours = flag_of()
    store.append([ours])
    with (tmp_path / "log.csv").open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerow(["b", "5", "rude", "bob", "2026-03-04 05:06:07.000000"])

    first, other = CsvFolder(tmp_path, file_name="log.csv").scan()

    assert first == ours
    assert isinstance(other, Flag)
    assert (other.option, other.user, other.comment) == ("rude", "bob", None)
    assert {name: value.to_python() for name, value in other.inputs.items()}.keys() == {
        "text", "label",
    }  # fmt: skip
    assert other.created_at.year == 2026


def test_a_log_without_a_header_has_no_such_cells(tmp_path):
    """
    SimpleCSVLogger's rows stay as they were: without titles nobody could tell the cells apart.
    """
    CsvFolder(tmp_path, header=False, file_name="log.csv").append([flag_of(comment="c")])

    assert cells_of(tmp_path / "log.csv") == [["a", "3", "wrong", "ana", WHEN]]


@pytest.mark.parametrize(
    ("logger", "name"),
    [(gr.CSVLogger, "dataset1.csv"), (gr.ClassicCSVLogger, "log.csv")],
)
def test_the_loggers_of_a_demo_know_its_outputs(tmp_path, logger, name):
    """
    With outputs that are declared each has its column; where nobody knows them, none has.
    """
    text, label = gr.Textbox(label="text"), gr.Textbox(label="label")
    declared, bare = logger(), logger()
    declared.setup([text, label], tmp_path / "declared", outputs=[label])
    bare.setup([text, label], tmp_path / "bare")

    declared.flag(["a", "b"], "wrong", "ana")
    bare.flag(["a", "b"], "wrong", "ana")

    assert cells_of(tmp_path / "declared" / name)[0] == [
        "text", "label", "flag", "comment", "label correction", "username", "timestamp",
    ]  # fmt: skip
    assert cells_of(tmp_path / "bare" / name)[0] == [
        "text", "label", "flag", "comment", "username", "timestamp",
    ]  # fmt: skip


def test_other_readers_read_it(tmp_path, monkeypatch):
    """
    pandas has a column for each title, and Gradio takes the log's first columns for examples.
    """
    monkeypatch.chdir(tmp_path)
    store = CsvFolder("flags", file_name="log.csv")
    store.append([flag_of(comment="see"), flag_of(inputs={"text": "b"})])

    frame = pd.read_csv("flags/log.csv")
    demo = gradio.Interface(
        lambda text: text, "text", "text", examples="flags", cache_examples=False
    )

    assert [*frame.columns] == [
        "text", "label", "flag", "comment", "label correction", "username", "timestamp", "record",
    ]  # fmt: skip
    assert frame["comment"].fillna("").tolist() == ["see", ""]
    assert demo.examples_handler.examples == [["a"], ["b"]]
