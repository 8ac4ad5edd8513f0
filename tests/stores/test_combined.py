"""
A folder of stores, such as those of a demo in tabs, is one store for every verb.
"""

import io
import json
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import run

from flagstone import Query, Review, Value, open_store
from flagstone.errors import StoreError, UnfinishedErasureError
from flagstone.operations.sync import sync
from flagstone.stores.combined import CombinedStore
from flagstone.stores.csv_folder.store import CsvFolder
from flagstone.stores.hub_legacy.flag_folders import FlagFolders
from flagstone.stores.sql.store import SqlStore
from flagstone.testing import make_flag

SECRET = b"secret content"

GRADIO_LOG = (
    "text,flag,username,timestamp\r\n"
    "of ana by Gradio,wrong,ana,2026-01-01 12:00:00.000000\r\n"
    "of bo by Gradio,wrong,bo,2026-01-01 12:00:01.000000\r\n"
)


@pytest.fixture
def folder(tmp_path) -> Path:
    """What the tabs of demos leave: one flag of ana's and one of bo's in each of six stores."""
    folder = tmp_path / "flagged"
    stores = {
        "root": CsvFolder(folder),
        "in csv": CsvFolder(folder / "in csv"),
        "custom": CsvFolder(folder / "custom", file_name="mine.csv"),
        "deep": SqlStore(folder / "one" / "two" / "flags.db"),
        "shards": open_store(f"parquet:{folder / 'shards'}"),
        "a-dataset": FlagFolders(folder / "a-dataset"),
    }
    for name, store in stores.items():
        ref = store.files.put(io.BytesIO(SECRET), name="ana.txt")
        file = Value(kind="file", data=ref)
        anas = make_flag(f"of ana in {name}", app=name, user="ana", outputs={"f": file})
        store.append([anas, make_flag(f"of bo in {name}", app=name, user="bo")])
        store.append([Review(flag_id=anas.id, note=f"about ana in {name}")])
    (folder / "by Gradio").mkdir()
    (folder / "by Gradio" / "log.csv").write_bytes(GRADIO_LOG.encode())
    return folder


def content(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_every_verb_reads_all(folder, tmp_path):
    """
    list, stats, show, doctor, export, sync and review see the flags of all of them, each with the
    name of its demo; one that Gradio wrote has that of its folder.
    """
    rows = [json.loads(line) for line in run("list", "-s", folder, "--json").splitlines()]
    apps = ["root", "in csv", "custom", "deep", "shards", "a-dataset", "by Gradio"]
    assert sorted(row["app"] for row in rows) == sorted(2 * apps)

    assert "14 flags in" in run("stats", "-s", folder)
    assert "14 flags" in run("stats", "-s", folder).replace("\n", " ")
    for row in rows:
        assert row["id"] in run("show", row["id"], "-s", folder)
    assert "20 records and 1 files verified" in run("doctor", folder)
    assert "14 rows of 14 flags" in run("export", folder, tmp_path / "out")
    assert "Copied 20 records and 1 files" in run("sync", folder, tmp_path / "copy.db")
    assert open_store(tmp_path / "copy.db").count(Query(app="by Gradio")) == 2


@pytest.mark.parametrize("everywhere", [[], ["--everywhere"]])
def test_forget_reaches_all(folder, everywhere):
    """
    A person is forgotten in each, with files and reviews, and what others flagged is whole.
    """
    told = run("forget", "--user", "ana", "-s", folder, "--yes", *everywhere)

    assert "Forgot 7 flags" in told
    with open_store(folder) as store:
        assert sorted(flag.user for flag in store.find()) == ["bo"] * 7
        assert [record for record in store.scan() if isinstance(record, Review)] == []
    assert SECRET not in content(folder)
    assert b"of ana" not in content(folder)
    assert b"about ana" not in content(folder)


@pytest.mark.parametrize("way", ["id", "where"])
def test_one_flag_of_a_tab_is_forgotten(folder, way):
    """
    By its id, or by a query for the tab, also where Gradio wrote it.
    """
    store = open_store(folder)
    (flag,) = store.find(Query(app="by Gradio", user="ana"))
    named = [flag.id] if way == "id" else ["--where", 'app:"by Gradio" user:ana']

    assert "Forgot 1 flags" in run("forget", *named, "-s", folder, "--yes")

    assert b"of ana by Gradio" not in content(folder)
    assert store.count() == 13


def test_copies_of_a_tab_are_found(folder, tmp_path):
    """
    Where one of them was copied to by itself, forget --everywhere goes, too.
    """
    copy = tmp_path / "copy.db"
    run("sync", f"csv:{folder / 'in csv'}", copy)

    run("forget", "--user", "ana", "-s", folder, "--everywhere", "--yes")

    assert open_store(copy).count(Query(user="ana")) == 0
    assert open_store(copy).count() == 1


def test_what_is_appended_goes_to_the_folder_itself(folder):
    """
    As to a folder without others below it; what one of them has already is not there twice.
    """
    store = open_store(folder)
    assert isinstance(store, CombinedStore)
    (known,) = open_store(folder / "one" / "two").find(Query(user="ana"))
    (ref,) = known.files()
    new = make_flag("new", outputs={"f": Value(kind="file", data=ref)})

    store.append([known, new])

    with CsvFolder(folder) as root:
        assert next(root.find()).id == new.id
        assert root.count() == 3
        assert root.files.has(ref)
    assert store.count() == 15


def test_what_is_said_about_a_flag_goes_to_where_it_is(folder):
    """
    So the store of a tab alone has the decisions about its flags, and forgets them with these.
    """
    names = ["in csv", "custom", "one/two", "shards", "a-dataset", "by Gradio"]
    store = open_store(folder)
    flags = {flag.app: flag for flag in store.find(Query(user="bo"))}
    flags["one/two"] = flags.pop("deep")
    reviews = {name: Review(flag_id=flag.id, note=f"of {name}") for name, flag in flags.items()}

    store.append(reviews.values())

    for name in names:
        with open_store(folder / name) as part:
            notes = [r.note for r in part.scan() if isinstance(r, Review) and "ana" not in r.note]
            assert notes == [f"of {name}"]
    assert {flag.app: store.state(flag.id).reviews for flag in flags.values()} == {
        flag.app: (reviews[name],) for name, flag in flags.items()
    }
    run("forget", flags["by Gradio"].id, "-s", folder / "by Gradio", "--yes")
    assert b"of by Gradio" not in content(folder)


def test_a_mark_goes_on_in_each(folder):
    """
    After a mark comes what any of them got since.
    """
    store = open_store(folder)
    mark = store.cursor()
    in_tab, in_root = make_flag("in a tab"), make_flag("in the root")
    CsvFolder(folder / "in csv").append([in_tab])
    store.append([in_root])

    later = {record.id for record in store.scan(mark) if record.app == "digits"}
    assert later == {in_tab.id, in_root.id}  # rows of Gradio's may come again
    edition = store.generation()
    CsvFolder(folder / "in csv").erase([in_tab.id])
    assert store.generation() != edition or edition == ""


def test_csv_beside_a_database(tmp_path):
    """
    A folder that changed its logger has both, and both are read and forgotten in.
    """
    CsvFolder(tmp_path).append([make_flag("before", user="ana")])
    SqlStore(tmp_path / "flags.db").append([make_flag("after", user="ana")])
    store = open_store(tmp_path)

    assert store.count() == 2
    run("forget", "--user", "ana", "-s", tmp_path, "--yes")
    assert store.count() == 0
    store.append([make_flag("new")])
    assert SqlStore(tmp_path / "flags.db").count() == 1


@pytest.mark.parametrize("name", ["dataset1.csv", "flags.db", "log.csv", "metadata.jsonl"])
def test_what_a_visitor_uploads_is_no_store(tmp_path, name):
    """
    Whatever a file is called, and whatever is in it: it lies in a folder of files.
    """
    planted = tmp_path / "planted"
    CsvFolder(planted).append([make_flag("planted", user="mallory")])
    store = open_store(tmp_path / "flagged")
    ref = store.files.put(planted / "dataset1.csv", name=name)
    store.append([make_flag("hers", inputs={"file": Value(kind="file", data=ref)})])

    assert [flag.user for flag in open_store(tmp_path / "flagged").find()] == [None]
    assert isinstance(open_store(tmp_path / "flagged"), CsvFolder)


@pytest.mark.parametrize("name", ["tmpab_cd12e.csv", "0.csv"])
def test_what_a_visitor_uploaded_to_gradio_3_is_no_store(tmp_path, name):
    """
    It lies in the folder of its field itself, and its header may be that of a log of ours.
    """
    CsvFolder(tmp_path / "planted").append([make_flag("planted", user="mallory")])
    (tmp_path / "flagged" / "file").mkdir(parents=True)
    row = f"flagged/file/{name},,bo,2026-01-01 12:00:00.000000"
    (tmp_path / "flagged" / "log.csv").write_text(f"file,flag,username,timestamp\n{row}\n")
    (tmp_path / "planted" / "dataset1.csv").rename(tmp_path / "flagged" / "file" / name)

    assert [flag.user for flag in open_store(tmp_path / "flagged").find()] == ["bo"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["list", "-s"], 3),
        (["stats", "-s"], 3),
        (["doctor"], 3),
        (["forget", "--user", "ana", "--yes", "-s"], 1),
    ],
)
def test_flags_of_gradios_hub_saver_are_told(tmp_path, arguments, code):
    """
    A folder that Gradio's own saver made for a flag is not read, and no command hides that.
    """
    path = tmp_path / "dataset" / "0b8f6a3e-1111-4222-8333-444455556666" / "metadata.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text('{"text": "of ana", "flag": "wrong", "username": "ana"}\n')
    CsvFolder(tmp_path).append([make_flag("ours")])

    told = run(*arguments, tmp_path, code=code)

    assert str(path) in told
    assert "Gradio's own saver wrote it; `flagstone import` copies it into a store" in told


def test_no_link_is_followed(tmp_path):
    """
    A link to another folder, or to a database, brings in nothing of it.
    """
    other = tmp_path / "other"
    CsvFolder(other).append([make_flag("other", user="ana")])
    SqlStore(tmp_path / "db" / "flags.db").append([make_flag("other", user="ana")])
    folder = tmp_path / "flagged"
    CsvFolder(folder / "tab").append([make_flag("tab", user="ana")])
    (folder / "link").symlink_to(other)
    (folder / "tab2").mkdir()
    (folder / "tab2" / "flags.db").symlink_to(tmp_path / "db" / "flags.db")

    assert open_store(folder).count() == 1
    run("forget", "--user", "ana", "-s", folder, "--yes")
    assert CsvFolder(other).count() == 1


def test_a_log_that_is_a_link_is_not_read(tmp_path):
    """
    It may lead to anything: each command names it, and nothing is written or erased behind it.
    """
    elsewhere = CsvFolder(tmp_path / "elsewhere")
    elsewhere.append([make_flag("not ours", user="ana")])
    store = CsvFolder(tmp_path / "flags")
    store.append([make_flag("ours", user="ana")])
    (tmp_path / "flags" / "dataset2.csv").symlink_to(tmp_path / "elsewhere" / "dataset1.csv")

    rows = run("list", "-s", tmp_path / "flags", "--json", code=3)

    assert "not ours" not in rows
    assert f"{tmp_path / 'flags' / 'dataset2.csv'} (it is a link; open the folder" in rows
    run("forget", "--user", "ana", "-s", tmp_path / "flags", "--yes", code=3)
    assert elsewhere.count() == 1


def test_a_folder_may_be_named_by_a_link(folder, tmp_path):
    """
    As one on a larger disk: all verbs read what it leads to, and forget reaches it.
    """
    link = tmp_path / "link"
    link.symlink_to(folder)

    assert open_store(link).count() == 14
    run("forget", "--user", "ana", "-s", link, "--yes")

    assert open_store(link).count() == 7
    assert SECRET not in content(folder)
    assert b"of ana" not in content(folder)


def test_hidden_folders_and_exports_are_none(tmp_path):
    """
    What is hidden, what is too deep, and an export beside the store are not read.
    """
    CsvFolder(tmp_path / ".hidden").append([make_flag()])
    CsvFolder(tmp_path / "1/2/3/4/5").append([make_flag()])
    store = open_store(tmp_path)
    store.append([make_flag("one")])
    run("export", tmp_path, tmp_path / "out", "--format", "csv")

    assert open_store(tmp_path).count() == 1
    assert isinstance(open_store(tmp_path), CsvFolder)


def test_a_flag_that_two_of_them_have_is_read_once(folder):
    """
    What was imported from one into the other is one flag, and is forgotten in both.
    """
    sync(CsvFolder(folder / "in csv"), SqlStore(folder / "one" / "two" / "flags.db"))

    assert open_store(folder).count() == 14
    run("forget", "--user", "ana", "-s", folder, "--yes")
    assert SqlStore(folder / "one" / "two" / "flags.db").count(Query(user="ana")) == 0


def test_one_that_fails_keeps_no_other_from_forgetting(folder):
    """
    All others have forgotten when it is told which could not.
    """
    database = folder / "one" / "two" / "flags.db"
    anas = [flag.id for flag in open_store(folder).find(Query(user="ana"))]
    for path in database.parent.glob("flags.db-*"):
        path.unlink()
    os.truncate(database, 100)

    store = open_store(folder)
    with pytest.raises(StoreError, match=r"one/two/flags\.db"):
        store.erase(anas)

    for name in ("in csv", "custom", "by Gradio", "shards", "a-dataset"):
        assert open_store(folder / name).count(Query(user="ana")) == 0, name


def test_one_that_fails_is_told_before_one_that_has_not_finished(tmp_path):
    """
    That a tab still shows what was to go is never called no more than unfinished.
    """
    flags = [make_flag(user="ana"), make_flag(user="ana")]
    for tab, flag in zip(("a", "b"), flags, strict=True):
        with SqlStore(tmp_path / tab / "flags.db") as part:
            part.append([flag])
    with closing(sqlite3.connect(tmp_path / "a" / "flags.db")) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM flagstone_record").fetchone()
        store = open_store(tmp_path)
        for path in (tmp_path / "b").glob("flags.db-*"):
            path.unlink()
        os.truncate(tmp_path / "b" / "flags.db", 100)

        with pytest.raises(StoreError, match=r"b/flags\.db") as raised:
            store.erase([flag.id for flag in flags])

    assert not isinstance(raised.value, UnfinishedErasureError)


def test_a_flag_is_corrected_where_it_is(folder):
    """
    In each store that has it, and with its file, wherever that was put; no other store gets it.
    """
    store = open_store(folder)
    before = {flag.id: flag for flag in store.find()}
    ref = store.files.put(io.BytesIO(b"a new file"), name="new.txt")
    file = Value(kind="file", data=ref)
    told = [flag for flag in before.values() if flag.app != "by Gradio"]
    corrected = {flag.id: replace(flag, outputs={"new": file}) for flag in told}

    store.replace(corrected.values())

    assert {flag.id: flag for flag in store.find()} == before | corrected
    for name in ("in csv", "custom", "one/two", "shards", "a-dataset"):
        with open_store(folder / name) as part:
            assert part.count() == 2
            assert {flag.id for flag in part.find()} <= corrected.keys()
            for flag in part.find():
                with part.files.open(flag.outputs["new"].data) as content:
                    assert content.read() == b"a new file"
