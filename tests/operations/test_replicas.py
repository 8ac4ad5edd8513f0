"""
Targets: a store on this machine knows where it was copied to, and no secret of how.
"""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import run

from flagstone import Store, open_store
from flagstone.errors import StoreError
from flagstone.operations.replicas import UnreachableStore, copies_of, remember, targets_of
from flagstone.operations.sync import sync
from flagstone.stores.group_commit import GroupCommit
from flagstone.stores.memory import MemoryStore
from flagstone.stores.parquet.store import ParquetStore
from flagstone.testing import FailingStore, make_flag

KINDS = [
    "flags", "flags.db", "csv:***", "sqlite:///flags.sqlite", "parquet:flags", "a:b/flags.db",
]  # fmt: skip
NOTES = {
    "flags": "flags/.targets",
    "flags.db": "flags.db.targets",
    "parquet:flags": "flags/.targets",
}


@pytest.fixture
def source(tmp_path) -> Store:
    store = open_store(tmp_path / "source.db")
    store.append([make_flag()])
    return store


@pytest.mark.parametrize("kind", KINDS)
def test_its_url_opens_a_store_from_anywhere(kind, source, tmp_path, monkeypatch):
    """
    A place named by a relative path is found by its URL from another directory; to ask makes none.
    """
    (tmp_path / "here" / "a:b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    store = open_store(Path(kind) if kind.startswith("a:b") else kind)
    assert not store.exists()
    assert not (tmp_path / "here" / "flags").exists()
    flag = make_flag()
    store.append([flag])
    url = store.url
    assert url is not None
    remember(source, store)

    monkeypatch.chdir(tmp_path)

    with open_store(url) as opened:
        assert opened.exists()
        assert list(opened.scan()) == [flag]
        assert opened.url == url
    assert [copy.url for copy in copies_of([source])[0]] == [url]


@pytest.mark.parametrize("kind", NOTES)
def test_the_command_notes_where_it_copies_to(kind, tmp_path, monkeypatch):
    """
    Each target is noted once, beside the store, and is no record of it; looking notes nothing.
    """
    monkeypatch.chdir(tmp_path)
    flag = make_flag()
    open_store(kind).append([flag])
    run("sync", kind, "copy.db", "--dry-run")
    run("sync", kind, "copy.db", "--status")
    sync(open_store(kind), open_store("copy.db"), dry_run=True)
    assert targets_of(open_store(kind)) == []

    for target in ("copy.db", "copy", "copy.db", "parquet:far"):
        run("sync", kind, target)

    there = tmp_path.resolve()
    assert targets_of(open_store(kind)) == [
        f"{there}/copy.db", f"csv:{there}/copy", f"parquet:{there}/far"
    ]  # fmt: skip
    assert len((tmp_path / NOTES[kind]).read_text().splitlines()) == 3
    assert list(open_store(kind).scan()) == [flag]
    assert "no damage" in run("doctor", kind)


def test_a_copy_that_was_cut_off_is_noted(source, tmp_path):
    """
    The note is there before the first record is copied.
    """
    target = open_store(tmp_path / "copy.db")
    with pytest.raises(StoreError):
        sync(source, FailingStore(target))

    assert targets_of(source) == [target.url]


def test_a_store_within_another_notes_as_well(source, tmp_path):
    """
    What wraps a store, as each demo does, has its place.
    """
    target = open_store(tmp_path / "copy.db")

    sync(GroupCommit(source), GroupCommit(target))

    assert targets_of(GroupCommit(source)) == targets_of(source) == [target.url]


def test_what_has_no_place_here_notes_nothing(source, tmp_path):
    """
    Memory and buckets have no list, and memory is in none; nor is a store in its own.
    """
    bucket = ParquetStore("memory://no-list")
    for store in (MemoryStore(), bucket):
        store.append([make_flag()])
        sync(store, open_store(tmp_path / "copy.db"))
        assert store.targets is None
        assert targets_of(store) == []
    sync(source, MemoryStore())
    remember(source, open_store(tmp_path / "copy" / ".." / "source.db"))

    assert targets_of(source) == []


def test_many_processes_note_at_once(source, tmp_path):
    """
    No line is lost or torn where several processes copy the same store.
    """
    code = (
        "import sys; from flagstone import open_store\n"
        "from flagstone.operations.replicas import remember\n"
        "source, name = open_store(sys.argv[1]), sys.argv[2]\n"
        "for n in range(50): remember(source, open_store(f'{sys.argv[1]}.{name}-{n}.db'))"
    )
    command = [sys.executable, "-c", code, source.location]
    processes = [subprocess.Popen([*command, name]) for name in "abc"]

    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert sorted(targets_of(source)) == sorted(
        f"{tmp_path.resolve()}/source.db.{name}-{n}.db" for name in "abc" for n in range(50)
    )


def test_a_line_cut_by_a_crash_harms_no_other(source, tmp_path):
    """
    The next note begins a line of its own, and the torn one is told rather than passed over.
    """
    copy = open_store(tmp_path / "copy.db")
    source.targets.write_text('"hf://data')

    sync(source, copy)

    assert targets_of(source) == ['"hf://data', copy.url]
    ((found,), (lost,)) = copies_of([source])
    assert found.url == copy.url
    assert lost.reason.startswith("Cannot open '\"hf://data'")


@pytest.mark.parametrize(
    "line",
    [b"\xff", b"[" * 100_000, b'"a\\u0000.db"', b'"sqlite://host/x"', b'"sqlite:///x?timeout=y"',
     b'"parquet:reference://x"'],
)  # fmt: skip
def test_a_line_that_is_none_keeps_nothing_from_being_copied_or_forgotten(line, source, tmp_path):
    """
    Whatever stands in the file, the other copies are found, and it is named among the lost ones.
    """
    copy = open_store(tmp_path / "copy.db")
    source.targets.write_bytes(line + b"\n")

    sync(source, copy)

    ((found,), (lost,)) = copies_of([source])
    assert found.url == copy.url
    assert lost.reason


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("another's")])
def test_what_is_no_file_of_its_own_is_left_alone(make, source, tmp_path, caplog):
    """
    A folder that somebody sent may hold a pipe there, or a link: neither is read nor written to.
    """
    (tmp_path / "another's").write_text("untouched")
    make(source.targets)
    copy = open_store(tmp_path / "copy.db")

    sync(source, copy)

    assert copy.count() == 1
    assert (tmp_path / "another's").read_text() == "untouched"
    assert "Cannot record in" in caplog.text
    _, (lost,) = copies_of([source])
    assert "it is not a regular file" in lost.reason


@pytest.mark.parametrize(
    ("url", "noted"),
    [
        ("memory://ana:s3cret@host/flags", "parquet:memory://***@host/flags"),
        ("memory://host/flags?sig=s3cret&x=1", "parquet:memory://host/flags?***"),
        ("memory://s3cret@host/flags", "parquet:memory://***@host/flags"),
        ("memory://host/flags;key=s3cret", "parquet:memory://host/flags;***"),
        ("memory://host/flags#token=s3cret", "parquet:memory://host/flags#***"),
        ("memory://host/flags", "parquet:memory://host/flags"),
    ],
)
def test_no_secret_is_noted(source, url, noted):
    """
    What may be a secret is masked, and the rest is known again.
    """
    target = ParquetStore(url)
    sync(source, target)
    sync(source, target)

    assert targets_of(source) == [noted]
    assert "s3cret" not in source.targets.read_text()
    copies, unreached = copies_of([source])
    if "***" in noted:
        reason = (
            f"Cannot open the copy {noted}: its URL had a secret, which is not stored. The copy "
            "was not changed. Pass the full URL with --also."
        )
        assert (copies, unreached) == ([], [UnreachableStore(location=noted, reason=reason)])
    else:
        assert ([copy.location for copy in copies], unreached) == ([url], [])
    assert copies_of([source, target]) == ([], [])


def test_what_cannot_be_noted_is_copied_all_the_same(source, tmp_path, caplog):
    """
    Where the list cannot be written the log says so; who asks for it is told, too.
    """
    source.targets.mkdir()
    target = open_store(tmp_path / "copy.db")

    with caplog.at_level(logging.WARNING):
        sync(source, target)

    assert list(target.scan()) == list(source.scan())
    assert f"that it is copied to {target.url}" in caplog.text
    ((), (lost,)) = copies_of([source])
    assert lost.location == str(source.targets)
    assert lost.reason.startswith(f"Cannot read {source.targets}: it is not a regular file.")
