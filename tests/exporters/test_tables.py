"""
Exports as tables: the same bytes twice, read back equal by those who read them.
"""

import csv
import hashlib
import io
import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
import soundfile
from datasets import Audio, Image, load_dataset
from PIL import Image as Pictures

from flagstone import Query, Review, Value, open_store
from flagstone.core.query_syntax import parse_query
from flagstone.errors import ForeignFolderError, NothingToExportError, UnknownFormatError
from flagstone.exporters.export import export
from flagstone.operations.sync import sync
from flagstone.testing import EXACT_TEXTS, make_flag

START = datetime(2026, 1, 1, tzinfo=UTC)
TEXTS = [EXACT_TEXTS[name] for name in EXACT_TEXTS if name not in ("10-MB", "lone-surrogate")]
SHADES = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


def picture(shift=0) -> io.BytesIO:
    buffer = io.BytesIO()
    Pictures.fromarray(SHADES + shift).save(buffer, "PNG")
    return io.BytesIO(buffer.getvalue())


def sound() -> io.BytesIO:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.linspace(-0.5, 0.5, 800), 8000, format="WAV")
    return io.BytesIO(buffer.getvalue())


def flag_at(second, text="a digit", **fields):
    return make_flag(text, created_at=START + timedelta(seconds=second), **fields)


@pytest.fixture
def store(tmp_path):
    """Flags of every hostile text, out of order, with reviews of some."""
    store = open_store(tmp_path / "flags.db")
    flags = [flag_at(n, text, comment=[None, "", "=1"][n % 3]) for n, text in enumerate(TEXTS)]
    store.append(flags[::-1])
    better = {"label": Value(kind="text", data="5")}
    later = START + timedelta(days=1)
    slip = Review(flag_id=flags[1].id, verdict="fixed", created_at=later, tags=("slip",), note="x")
    store.append(
        [
            slip, Review(flag_id=flags[1].id, retracts=slip.id),
            Review(flag_id=flags[1].id, verdict="rejected", created_at=later, tags=("b", "a")),
            Review(
                flag_id=flags[1].id, verdict="accepted", created_at=START, correction=better,
                note="n", assignee="bo", tags=("a", "c"),
            ),
        ]
    )  # fmt: skip
    return store


def expected_rows(store):
    """What a table says of each flag, by way of `State`."""
    for flag in store.find(Query(order="oldest")):
        state = store.state(flag.id)
        right = state.correction.get("label")
        yield {
            "id": flag.id,
            "comment": flag.comment,
            "verdict": state.verdict,
            "assignee": state.assignee,
            "tags": list(state.tags),
            "notes": list(state.notes),
            "inputs.text": flag.inputs["text"].data,
            "outputs.label": "3",
            "correction.label": right and right.data,
        }


def rows_of(frame, names):
    return [{name: row[name] for name in names} for row in frame]


def test_parquet_is_read_equal_by_everybody(store, tmp_path):
    """
    DuckDB, Polars, pandas, Arrow and `datasets` find in it what the store says.
    """
    manifest = export(store, tmp_path / "out")

    path = str(tmp_path / "out" / "flags.parquet")
    expected = list(expected_rows(store))
    names = list(expected[0])
    columns = ", ".join(f'"{name}"' for name in names)
    assert manifest.rows == manifest.flags == len(TEXTS)
    assert rows_of(pq.read_table(path).to_pylist(), names) == expected
    assert rows_of(pl.read_parquet(path).to_dicts(), names) == expected
    assert rows_of(load_dataset("parquet", data_files=path, split="train"), names) == expected
    found = duckdb.sql(f"SELECT {columns} FROM '{path}'").fetchall()
    assert [dict(zip(names, row, strict=True)) for row in found] == expected
    frame = pd.read_parquet(path)
    assert frame["inputs.text"].tolist() == TEXTS
    assert frame["created_at"].tolist() == [START + timedelta(seconds=n) for n in range(len(TEXTS))]


def test_jsonl_is_read_equal_by_everybody(store, tmp_path):
    """
    Python, `datasets`, Polars, pandas and DuckDB find in it what the store says.
    """
    export(store, tmp_path / "out", format="jsonl")

    path = tmp_path / "out" / "flags.jsonl"
    expected = list(expected_rows(store))
    names = list(expected[0])
    lines = path.read_bytes().decode().split("\n")[:-1]
    assert rows_of(map(json.loads, lines), names) == expected
    read = load_dataset("json", data_files=str(path), split="train")
    assert rows_of(read, names) == expected
    assert rows_of(pl.read_ndjson(path).to_dicts(), names) == expected
    frame = pd.read_json(path, lines=True, dtype=False)
    assert frame["inputs.text"].tolist() == TEXTS
    found = duckdb.sql(f"SELECT \"inputs.text\" FROM read_json('{path}')").fetchall()
    assert [text for (text,) in found] == TEXTS


def test_csv_is_safe_and_tells_none_from_empty(store, tmp_path):
    """
    A formula gets an apostrophe; None is an empty cell, an empty text one of quotes.
    """
    export(store, tmp_path / "out", format="csv")

    path = tmp_path / "out" / "flags.csv"
    content = path.read_bytes().decode()
    rows = list(csv.DictReader(io.StringIO(content, newline="")))
    safe = [text.replace("\0", "\u2400") for text in TEXTS]
    assert [row["inputs.text"].removeprefix("'") for row in rows] == [
        text.removeprefix("'") for text in safe
    ]
    assert all(row["inputs.text"][:1] not in ("=", "+", "-", "@") for row in rows)
    assert (
        pl.read_csv(path, infer_schema=False)["inputs.text"].to_list()[1:]
        == [row["inputs.text"] for row in rows][1:]
    )
    found = duckdb.sql(
        f"SELECT comment FROM read_csv('{path}', all_varchar=true, allow_quoted_nulls=false)"
    )
    assert found.fetchall()[:3] == [(None,), ("",), ("'=1",)]
    assert len(pd.read_csv(path)) == len(TEXTS)


@pytest.mark.parametrize("format", ["parquet", "jsonl", "csv"])
def test_the_same_records_are_the_same_bytes(store, tmp_path, format):  # noqa: A002
    """
    Whatever store they are in, and however often they are exported.
    """
    stores = [store, *map(open_store, [tmp_path / "csv", f"parquet:{tmp_path / 's'}", "memory:"])]
    for copy in stores[1:]:
        sync(store, copy)

    manifests = [
        export(each, tmp_path / f"out{n}", format=format) for n, each in enumerate([*stores, store])
    ]

    assert len({manifest.sha256 for manifest in manifests}) == 1
    assert manifests[0] == manifests[-1]
    texts = {(tmp_path / f"out{n}" / "manifest.json").read_bytes() for n in range(len(manifests))}
    assert len(texts) == 1


def test_the_manifest_says_what_it_is(store, tmp_path):
    """
    Query, counts, files; the one hash is that of what sha256sum prints.
    """
    manifest = export(store, tmp_path / "out", query=parse_query("verdict:open order:oldest"))

    told = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    printed = subprocess.run(
        ["sha256sum", "flags.parquet"], cwd=tmp_path / "out", capture_output=True, check=True
    )
    assert told["query"] == "verdict:open"
    assert told["flags"] == told["rows"] == len(TEXTS) - 1
    assert told["sha256"] == manifest.sha256 == hashlib.sha256(printed.stdout).hexdigest()
    assert [file["path"] for file in told["files"]] == ["flags.parquet"]


@pytest.mark.parametrize(
    "query", ["verdict:rejected", "tag:a", "since:2026-01-01T00:00:05", "formula"]
)
def test_a_query_selects_what_the_store_finds(store, tmp_path, query):
    """
    The flags of an export are those of `find`, oldest first.
    """
    asked = parse_query(query)
    found = [flag.id for flag in store.find(replace(asked, order="oldest"))]
    if not found:
        with pytest.raises(NothingToExportError, match="no flag matches the query"):
            export(store, tmp_path / "out", query=asked)
        return

    export(store, tmp_path / "out", query=asked)

    assert pq.read_table(tmp_path / "out" / "flags.parquet")["id"].to_pylist() == found


def test_what_utf8_has_no_word_for_is_spelled(tmp_path):
    """
    A lone surrogate, in a name or a value, is spelled; NUL and reversed writing are as they are.
    """
    store = open_store("memory:")
    hostile = "a\ud800\u202e\0b"
    store.append(
        [flag_at(0, hostile, app=hostile, inputs={hostile: Value(kind="text", data=hostile)})]
    )

    export(store, tmp_path / "out")
    export(store, tmp_path / "lines", format="jsonl")
    export(store, tmp_path / "cells", format="csv")

    (row,) = pq.read_table(tmp_path / "out" / "flags.parquet").to_pylist()
    spelled = "a\\ud800\u202e\0b"
    assert row["app"] == row[f"inputs.{spelled}"] == spelled
    line = json.loads((tmp_path / "lines" / "flags.jsonl").read_bytes())
    assert line["app"] == line[f"inputs.{spelled}"] == spelled


def test_numbers_stay_exact_or_become_text(tmp_path):
    """
    Numbers that floats hold are floats; one that they do not makes the column text.
    """
    small, large, mixed = [1, 2.5, float("nan"), None], [1, 2**53 + 1, 10**30], [1, 10**5000, "x"]
    store = open_store("memory:")
    for n in range(4):
        fields = {"small": Value(kind="number", data=small[n])}
        if n < 3:
            fields["large"] = Value(kind="number", data=large[n])
            fields["mixed"] = Value(kind="number", data=mixed[n])
            fields["yes"] = Value(kind="boolean", data=bool(n))
        store.append([flag_at(n, inputs=fields)])

    export(store, tmp_path / "out")

    table = pq.read_table(tmp_path / "out" / "flags.parquet")
    assert str(table["inputs.small"].to_pylist()) == "[1.0, 2.5, nan, None]"
    assert table["inputs.large"].to_pylist() == ["1", "9007199254740993", "1" + "0" * 30, None]
    assert table["inputs.mixed"].to_pylist() == ["1", hex(10**5000), "x", None]
    assert table["inputs.yes"].to_pylist() == [False, True, True, None]


def test_columns_are_those_of_all_flags(tmp_path):
    """
    A field, or a type, that only a late flag has changes the table, not what came before it.
    """
    store = open_store(tmp_path / "flags.db")
    number = [flag_at(n, inputs={"x": Value(kind="number", data=n)}) for n in range(300)]
    late = flag_at(
        300,
        inputs={"x": Value(kind="json", data=[1, {"a": None}]), "y": Value(kind="text", data="")},
    )
    store.append([*number, late])

    for format in ("parquet", "jsonl", "csv"):  # noqa: A001
        assert export(store, tmp_path / format, format=format).rows == 301

    table = pq.read_table(tmp_path / "parquet" / "flags.parquet")
    assert table["inputs.x"].to_pylist() == [*map(str, range(300)), '[1,{"a":null}]']
    assert table["inputs.y"].to_pylist() == [None] * 300 + [""]


def flags_with_media(store):
    """Pictures and sound, with names that are no names, and a file."""
    audio = store.files.put(sound(), name="voice.wav", mime_type="audio/wav")
    for n, name in enumerate(["../../evil.png", "a\0\u202e\ud800.PNG", "", "x" * 300 + ".png"]):
        image = store.files.put(picture(n % 2), name=name, mime_type="image/png")
        other = store.files.put(io.BytesIO(b"=1"), name="../../../etc/passwd")
        yield flag_at(
            n,
            inputs={
                "image": Value(kind="image", data=image),
                "audio": Value(kind="audio", data=audio),
                "files": Value(kind="file", data=[other]),
            },
        )
    yield flag_at(9, "no media")


@pytest.fixture
def media(tmp_path):
    store = open_store(tmp_path / "media.db")
    store.append(list(flags_with_media(store)))
    return store


def test_parquet_has_pictures_and_sound_in_it(media, tmp_path):
    """
    `datasets` shows them as such; other files lie beside, by their hash, and nowhere else.
    """
    export(media, tmp_path / "deep" / "out")

    out = tmp_path / "deep" / "out"
    table = load_dataset("parquet", data_files=str(out / "flags.parquet"), split="train")
    assert isinstance(table.features["inputs.image"], Image)
    assert isinstance(table.features["inputs.audio"], Audio)
    table = table.cast_column("inputs.audio", Audio(decode=False))
    assert table[0]["inputs.audio"]["bytes"] == sound().getvalue()
    assert np.array_equal(np.asarray(table[1]["inputs.image"]), SHADES + 1)
    assert table[4]["inputs.image"] is None
    (place,) = json.loads(table[0]["inputs.files"])
    assert (out / place).read_bytes() == b"=1"
    assert {path.name for path in out.iterdir()} == {"files", "flags.parquet", "manifest.json"}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]


def test_an_imagefolder_is_one(media, tmp_path):
    """
    `datasets` loads pictures with their metadata; flags without a picture are left out.
    """
    manifest = export(media, tmp_path / "out", format="imagefolder")

    table = load_dataset("imagefolder", data_dir=str(tmp_path / "out"), split="train")
    assert (manifest.rows, manifest.flags) == (4, 5)
    assert [np.asarray(row["image"]).tolist() for row in table] == [
        (SHADES + n % 2).tolist() for n in range(4)
    ]
    assert table["id"][:] == [flag.id for flag in media.find(Query(order="oldest"))][:4]
    assert table["outputs.label"][:] == ["3"] * 4


def test_an_audiofolder_is_one(media, tmp_path):
    """
    As a folder of pictures, with sound; `datasets` itself needs torchcodec to read it.
    """
    export(media, tmp_path / "out", format="audiofolder")

    table = pq.read_table(tmp_path / "out" / "metadata.parquet").to_pylist()
    assert len(table) == 4
    for row in table:
        assert (tmp_path / "out" / row["file_name"]).read_bytes() == sound().getvalue()
        assert row["file_name"].endswith(".wav")


def test_a_repository_loads_by_its_name(media, tmp_path):
    """
    `load_dataset(OUT)` needs no more than the folder.
    """
    export(media, tmp_path / "out", format="datasets")

    table = load_dataset(str(tmp_path / "out"), split="train")
    table = table.cast_column("inputs.audio", Audio(decode=False))
    assert len(table) == 5
    assert np.array_equal(np.asarray(table[0]["inputs.image"]), SHADES)


def test_media_are_cut_into_groups(tmp_path, monkeypatch):
    """
    Pictures of many bytes end a row group, so that memory holds a few of them at a time.
    """
    monkeypatch.setattr("flagstone.exporters.parquet._GROUP_BYTES", 3000)
    store = open_store(tmp_path / "flags.db")
    for n in range(10):
        ref = store.files.put(io.BytesIO(bytes([n]) * 1000), name="a.png")
        store.append([flag_at(n, inputs={"image": Value(kind="image", data=ref)})])

    export(store, tmp_path / "out")

    read = pq.ParquetFile(tmp_path / "out" / "flags.parquet")
    assert [read.metadata.row_group(n).num_rows for n in range(read.num_row_groups)] == [3, 3, 3, 1]
    images = read.read()["inputs.image"].to_pylist()
    assert [image["bytes"] for image in images] == [bytes([n]) * 1000 for n in range(10)]


def test_what_is_there_is_not_touched(store, tmp_path):
    """
    A folder, or file, that is no export of ours is refused; an export is replaced.
    """
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")

    for name in ("mine", "file"):
        with pytest.raises(ForeignFolderError, match=name):
            export(store, tmp_path / name)
    export(store, tmp_path / "empty")
    export(store, tmp_path / "empty", format="csv")

    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years"
    assert {path.name for path in (tmp_path / "empty").iterdir()} == {"flags.csv", "manifest.json"}


def test_a_failure_leaves_nothing(media, tmp_path):
    """
    Where nothing is to be exported, the export of before stays as it was.
    """
    export(media, tmp_path / "out", format="csv")
    before = (tmp_path / "out" / "flags.csv").read_bytes()
    with pytest.raises(NothingToExportError, match="none of 5 flags"):
        export(media, tmp_path / "out", format="chat")
    with pytest.raises(UnknownFormatError, match="xml"):
        export(media, tmp_path / "out", format="xml")  # type: ignore[arg-type]

    assert (tmp_path / "out" / "flags.csv").read_bytes() == before
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".part-")]


@pytest.mark.parametrize("format", ["csv", "parquet", "imagefolder", "argilla"])
@pytest.mark.parametrize(("content", "reason"), [(None, "is missing"), (b"x", "match its hash")])
def test_flags_whose_file_is_damaged_are_passed_over(media, tmp_path, format, content, reason):  # noqa: A002
    """
    Flags whose picture is gone or changed are named and left out; the others are exported.
    """
    flags = list(media.scan())
    path = media.files.path(flags[0].inputs["image"].data.sha256)
    path.unlink() if content is None else path.write_bytes(content)

    manifest = export(media, tmp_path / "out", format=format)

    assert manifest.flags == 3
    wrong = [f"{media.location}, id {flag.id}" for flag in (flags[0], flags[2])]
    assert [passed.location for passed in media.skipped] == wrong
    assert [passed.reason.endswith(reason) for passed in media.skipped] == [True, True]


def test_a_damaged_record_is_named(tmp_path):
    """
    A record that is none is passed over and named; the others are exported.
    """
    import sqlite3

    store = open_store(tmp_path / "flags.db")
    store.append([flag_at(0), flag_at(1)])
    with sqlite3.connect(tmp_path / "flags.db") as database:
        database.execute("UPDATE flagstone_record SET json = '{' WHERE seq = 2")
    database.close()

    assert export(store, tmp_path / "out").flags == 1
    assert "its checksum is that of another record" in str(store.skipped)


def test_memory_does_not_grow_with_the_flags(tmp_path):
    """
    Ten times the flags take no more memory beyond the file: they go through it in small parts.
    """
    import tracemalloc

    peaks = []
    for count in (2_000, 20_000):
        store = open_store(tmp_path / f"{count}.db")
        for start in range(0, count, 1000):
            store.append([flag_at(start + n, f"text {n}") for n in range(1000)])
        tracemalloc.start()
        export(store, tmp_path / f"out{count}", format="jsonl")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < 1.5 * peaks[0]


def test_a_drawing_is_a_picture(tmp_path):
    """
    What was drawn is the picture of all its layers, in a table and as an image folder.
    """
    store = open_store(tmp_path / "flags.db")
    ref = store.files.put(picture(), name="composite.png", mime_type="image/png")
    drawing = {"background": None, "layers": [ref], "composite": ref, "id": None}
    flag = flag_at(1, inputs={"digit": Value(kind="image_editor", data=drawing)})
    empty = flag_at(2, inputs={"digit": Value(kind="image_editor", data=None)})
    store.append([flag, empty])

    export(store, tmp_path / "table")
    assert export(store, tmp_path / "images", format="imagefolder").rows == 1

    first, second = pq.read_table(tmp_path / "table" / "flags.parquet").to_pylist()
    assert first["inputs.digit"]["bytes"] == picture().getvalue()
    assert second["inputs.digit"] is None
