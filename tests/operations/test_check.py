"""
The doctor: what is sound is called sound, every damage is found, what a crash left is removed.
"""

import csv
import io
import os
import sqlite3
import time
from pathlib import Path

import pytest

from flagstone import Flag, Store, Value, open_store
from flagstone.errors import StoreError
from flagstone.operations.check import check_store
from flagstone.stores.files import begin_removal
from flagstone.testing import make_flag


@pytest.fixture(params=["flags", "flags.db"])
def place(request, tmp_path) -> Path:
    return tmp_path / request.param


def flag_with_file(store: Store, content: bytes) -> Flag:
    ref = store.files.put(io.BytesIO(content), name="scan.png", mime_type="image/png")
    flag = make_flag(outputs={"f": Value(kind="file", data=ref)})
    store.append([flag])
    return flag


def age(store: Store) -> None:
    for path in store.files.root.rglob("*"):
        os.utime(path, (time.time() - 10_000,) * 2)


def test_a_sound_store(place):
    """
    Every record and file is counted; nothing is damaged, nothing swept.
    """
    with open_store(place) as store:
        for content in (b"a", b"b", b"b"):
            flag_with_file(store, content)
        store.append([make_flag()])
        age(store)

        finding = check_store(store)

    assert (finding.records, finding.files) == (4, 2)
    assert (finding.damage, finding.swept) == ((), {})


def test_what_a_crash_left_is_removed(place):
    """
    A file whose record was never kept goes after an hour, also where people see it.
    """
    with open_store(place) as store:
        kept = flag_with_file(store, b"kept")
        orphan = store.files.put(io.BytesIO(b"orphan"), name="orphan.png")
        if place.name == "flags":
            store.files.show(orphan, "image")
        assert check_store(store).swept == {}  # it may be on its way
        age(store)

        told = check_store(store, dry_run=True)
        assert store.files.path(orphan.sha256).exists()
        swept = check_store(store)

    assert told.swept == swept.swept == {orphan.sha256: 6}
    assert not store.files.has(orphan)
    assert not list(place.parent.rglob("orphan.png"))
    assert list(open_store(place).scan()) == [kept]


def test_damaged_files_are_named(place):
    """
    A file that is gone, and one whose bytes are others, are told from sound ones.
    """
    with open_store(place) as store:
        orphan = store.files.put(io.BytesIO(b"orphan"), name="o")
        gone, changed, sound = (flag_with_file(store, c) for c in (b"gone", b"changed", b"sound"))
        store.files.path(next(gone.files()).sha256).unlink()
        store.files.path(next(changed.files()).sha256).write_bytes(b"CHANGED")
        age(store)

        finding = check_store(store)
        assert store.files.path(
            orphan.sha256
        ).exists()  # nothing is removed from a store that needs mending

    (gone_ref,), (changed_ref,), (sound_ref,) = gone.files(), changed.files(), sound.files()
    assert finding.damage == (
        f"The file 'scan.png' ({gone_ref.sha256[:12]}…) in {place} is missing. "
        "Restore it from a copy of the store.",
        f"The file 'scan.png' ({changed_ref.sha256[:12]}…) in {place} does not match its hash. "
        "Restore it from a copy of the store.",
    )
    assert finding.records == 3
    assert sound_ref.sha256[:12] not in str(finding.damage)
    assert finding.swept == {}


def test_a_damaged_row_is_named_and_nothing_swept(place):
    """
    A record that cannot be read is found; files that may be its own are left alone.
    """
    with open_store(place) as store:
        store.append([make_flag("one")])
        flag_with_file(store, b"its own")
        store.append([make_flag("three")])
        age(store)
    if place.suffix == ".db":
        with sqlite3.connect(place) as connection:
            connection.execute("UPDATE flagstone_record SET json = '{oops' WHERE seq = 2")
        connection.close()
    else:
        damage_csv(place / "dataset2.csv")

    with open_store(place) as store:
        finding = check_store(store)

    (sentence,) = finding.damage
    where = f"{place / 'dataset2.csv'}: unexpected character"
    if place.suffix == ".db":
        where = f"{place}, row 2: its checksum does not match"
    assert sentence.startswith(f"Cannot read the record at {where}")
    assert finding.swept == {}


def damage_csv(path: Path) -> None:
    with path.open(newline="", encoding="utf-8") as file:
        header, row = csv.reader(file)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, [*row[:-1], '{"flagstone":1,oops']])


def test_an_index_that_says_otherwise(tmp_path):
    """
    A column that is not what the row's JSON says is named.
    """
    place = tmp_path / "flags.db"
    with open_store(place) as store:
        store.append([make_flag(user="ana")])
    with sqlite3.connect(place) as connection:
        connection.execute('UPDATE flagstone_record SET "user" = ?', ("bob",))
    connection.close()

    with open_store(place) as store:
        (sentence,) = check_store(store).damage

    assert "these columns differ from its JSON: user" in sentence


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9])
def test_a_broken_database_is_a_sentence(tmp_path, share):
    """
    A file that is no database, or a part of one, is damage and no traceback.
    """
    place = tmp_path / "flags.db"
    with open_store(place) as store:
        store.append([make_flag("x" * 5000) for _ in range(20)])
    content = place.read_bytes()
    Path(f"{place}-wal").unlink(missing_ok=True)
    place.write_bytes(content[: int(len(content) * share)] or b"garbage" * 1000)

    with open_store(place) as store:
        assert check_store(store).damage != ()


def test_an_append_while_the_doctor_looks(place):
    """
    An old file that a new record refers to, without a put, stays: to ask for it renews it.
    """
    with open_store(place) as store:
        ref = store.files.put(io.BytesIO(b"left by a sync"), name="a")
        age(store)

        store.append([make_flag(outputs={"f": Value(kind="file", data=ref)})])
        swept = store.files.sweep(set(), age=3600)  # the doctor had read all before

        assert swept == {}


def test_what_was_put_during_an_erase_stays(place):
    """
    Only files that nobody has put or asked for since the erase began are removed.
    """
    with open_store(place) as store:
        flag = flag_with_file(store, b"shared")
        (ref,) = flag.files()
        began = begin_removal()
        store.files.put(io.BytesIO(b"shared"), name="again")

        store.files.remove([ref.sha256], before=began)
        assert store.files.has(ref)

        store.erase([flag.id])
        assert not store.files.has(ref)


@pytest.mark.parametrize("place", ["flags", "flags.db", "parquet:flags"])
def test_no_sweep_follows_a_link(tmp_path, place):
    """
    What a link leads to is another's, and stays, however old and unneeded it is here.
    """
    scheme, _, name = place.rpartition(":")
    other = tmp_path / "other"
    for below in ("ab", "0123456789abcdef0123"):
        (other / below).mkdir(parents=True)
        (other / below / ("ab" * 32)).write_bytes(b"theirs")
    (other / ".part-0123456789abcdef").write_bytes(b"theirs")
    (other / "part-0123456789abcdef").write_bytes(b"theirs")
    for path in other.rglob("*"):
        os.utime(path, (time.time() - 100_000,) * 2)
    with open_store(f"{scheme}:{tmp_path / name}" if scheme else tmp_path / name) as store:
        gone = flag_with_file(store, b"gone" * 1_000_000)
        (tmp_path / "flags").mkdir(exist_ok=True)
        (tmp_path / "flags" / "field").symlink_to(other)
        (tmp_path / "flags" / ".part-fedcba9876543210").symlink_to(other / "ab" / ("ab" * 32))
        files = {"flags": ".files", "flags.db": "../flags.db.files", "parquet:flags": "files"}[
            place
        ]
        folder = tmp_path / "flags" / files
        (folder / "ab").symlink_to(other / "ab")
        (folder / "cd").mkdir(exist_ok=True)
        (folder / "cd" / ("cd" * 32)).symlink_to(other / "ab" / ("ab" * 32))
        before = sorted(other.rglob("*"))

        store.erase([gone.id])
        assert check_store(store).damage == ()

    assert sorted(other.rglob("*")) == before


@pytest.mark.parametrize(
    "foreign",
    [
        "CREATE TRIGGER spy AFTER INSERT ON flagstone_record BEGIN SELECT 1; END",
        "DROP TABLE flagstone_erasing; CREATE VIEW flagstone_erasing AS SELECT 1",
    ],
    ids=["trigger", "view"],
)
def test_a_database_with_foreign_triggers_is_refused(tmp_path, foreign):
    """
    What would run with our statements is named, and nothing is read or written.
    """
    place = tmp_path / "flags.db"
    with open_store(place) as store:
        store.append([make_flag("one")])
    with sqlite3.connect(place) as connection:
        connection.executescript(foreign)
    connection.close()

    with open_store(place) as store:
        with pytest.raises(StoreError, match=r"Cannot use .* that Flagstone did not create"):
            store.append([make_flag("two")])
        with pytest.raises(StoreError, match="Flagstone did not create"):
            list(store.scan())
    with sqlite3.connect(place) as connection:
        assert connection.execute("SELECT count(*) FROM flagstone_record").fetchone() == (1,)
    connection.close()
