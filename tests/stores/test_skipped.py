"""
What cannot be read hides nothing else: it is passed over, named, kept and copied as it is.
"""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flagstone import Flag, Review, Store, open_store
from flagstone.cli import app
from flagstone.core.records import NewerRecord, record_from_json
from flagstone.operations.sync import sync
from flagstone.testing import make_flag

KINDS = ["csv", "sqlite", "parquet", "folder", "memory"]
ID = "01a21320-cca3-7baf-a17c-4d29614983{:02}"
MADE = '"created_at":"2030-01-01T00:00:00+00:00"'

NEWER = [
    f'{{"flagstone":2,"type":"flag","id":"{ID.format(1)}",{MADE},"app":"x","user":"ana"}}',
    f'{{"flagstone":1,"type":"thread","id":"{ID.format(2)}",{MADE},"flag_id":"{ID.format(9)}"}}',
    f'{{"flagstone":1,"type":"flag","id":"{ID.format(3)}",{MADE},"inputs":{{"a":{{"kind":"x",'
    '"data":{"$decimal":"1.10"}}}}',
    f'{{"flagstone":7,"type":"dream","id":"{ID.format(4)}",{MADE},"z":[1,{{"$n":null}}]}}',
]
"""Records of a newer version: of a higher schema, of another type, with another tag, all of it."""


def place_of(folder: Path, kind: str) -> str:
    folder.mkdir(exist_ok=True)
    return {
        "csv": f"csv:{folder}",
        "sqlite": str(folder / "flags.db"),
        "parquet": f"parquet:{folder}",
        "folder": str(folder),
        "memory": "memory:",
    }[kind]


def open_kind(folder: Path, kind: str) -> Store:
    """A store of this *kind*; "folder" is one with the store of a tab below it."""
    if kind == "folder":
        (folder / "tab").mkdir(parents=True, exist_ok=True)
        with open_store(folder / "tab" / "flags.db") as tab:
            tab.append([])
            tab.cursor()
    return open_store(place_of(folder, kind))


def newer_records() -> list[NewerRecord]:
    records = [record_from_json(text, where="here") for text in NEWER]
    assert all(isinstance(record, NewerRecord) for record in records)
    return records


@pytest.mark.parametrize("kind", KINDS)
def test_newer_records_are_kept_and_copied_as_they_are(tmp_path, kind):
    """
    What a newer version wrote goes through every store to the byte, and stops no reader.
    """
    flag = make_flag("now", user="ana")
    with open_kind(tmp_path / "a", kind) as store:
        store.append([*newer_records(), flag])
        sync(store, target := open_store("memory:"))
        sync(target, store)

        assert sorted(r.to_json() for r in store.scan()) == sorted([*NEWER, flag.to_json()])
        assert sorted(r.to_json() for r in target.scan()) == sorted([*NEWER, flag.to_json()])
        assert list(store.find()) == [flag]
        assert store.count() == 1
        assert store.facets()["user"] == {"ana": 1}
        assert store.state(flag.id).flag == flag
        assert {passed.reason for passed in store.skipped} == {
            "it has schema 2, and this version supports 1",
            "this version does not support records of type 'thread'",
            "this version does not support the tag '$decimal'",
            "it has schema 7, and this version supports 1",
        }
        assert list(store.verify()) == []


@pytest.mark.parametrize("kind", KINDS[:4])
def test_an_erasure_keeps_newer_records(tmp_path, kind):
    """
    To erase one flag leaves what a newer version wrote; to erase its id takes it, too.
    """
    doomed, kept = make_flag("doomed"), make_flag("kept")
    with open_kind(tmp_path / "a", kind) as store:
        store.append([doomed, *newer_records(), kept])
        store.erase([doomed.id])
        assert sorted(r.to_json() for r in store.scan()) == sorted([*NEWER, kept.to_json()])
        store.erase([ID.format(1), ID.format(9)])
        assert sorted(r.to_json() for r in store.scan()) == sorted([*NEWER[2:], kept.to_json()])


def test_shards_are_merged_with_newer_records(tmp_path):
    """
    A merged shard has what a newer version wrote, as it was.
    """
    with open_store(f"parquet:{tmp_path}") as store:
        for number in range(100):
            store.append([newer_records()[number]] if number < 4 else [make_flag(str(number))])
        assert len(list(tmp_path.glob("*.parquet"))) == 1
        newer = [r.to_json() for r in store.scan() if isinstance(r, NewerRecord)]
    assert newer == NEWER


@pytest.mark.parametrize(
    "text",
    [
        '{"flagstone":1,"type":"Flag!","id":"a","created_at":"2030-01-01T00:00:00+00:00"}',
        '{"flagstone":0,"type":"flag","id":"a","created_at":"2030-01-01T00:00:00+00:00"}',
        '{"flagstone":"2","type":"flag","id":"a","created_at":"2030-01-01T00:00:00+00:00"}',
        '{"flagstone":2,"type":"flag","id":"a\\u0000","created_at":"2030-01-01T00:00:00+00:00"}',
        '{"flagstone":2,"type":"flag","id":"a","created_at":"soon"}',
        '{"flagstone":2,"type":"flag","created_at":"2030-01-01T00:00:00+00:00"}',
        '{"type":"flag","id":"a","created_at":"2030-01-01T00:00:00+00:00"}',
        '[{"flagstone":2}]',
        "{",
        "",
    ],
)
def test_what_no_version_wrote_is_damage(text):
    """
    A newer record has what every version's has; anything else is unreadable.
    """
    from flagstone.errors import UnreadableRecordError

    with pytest.raises(UnreadableRecordError):
        record_from_json(text, where="here")


DAMAGES = {
    "a row of one cell": lambda lines: [*lines[:2], b"oops\r\n", *lines[2:]],
    "a zeroed block": lambda lines: [*lines[:2], b"\0" * len(lines[2]), *lines[3:]],
    "zeros and a line end": lambda lines: [*lines[:2], b"\0" * 512 + b"\r\n", *lines[3:]],
    "half a row": lambda lines: [*lines[:2], lines[2][: len(lines[2]) // 2], *lines[3:]],
    "a row without its end": lambda lines: [
        *lines[:2],
        lines[2].rstrip()[:-3] + b"\r\n",
        *lines[3:],
    ],
    "binary": lambda lines: [*lines[:2], bytes(range(256)) * 3, b"\n", *lines[3:]],
    "a quote": lambda lines: [*lines[:2], b'"' + lines[2], *lines[3:]],
    "a newer version": lambda lines: [
        *lines[:2],
        lines[2].replace(b'""flagstone"":1,', b'""flagstone"":2,'),
        *lines[3:],
    ],
    "a last row of zeros": lambda lines: [*lines[:2], *lines[3:], b"\0" * 700],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_log_is_told_by_every_command(tmp_path, damage):
    """
    Every command tells the good flags, names what it passed over, and ends with status 3.
    """
    folder, users = tmp_path / "flags", ["ana", "bob", "cyd", "dan"]
    flags = [make_flag(f"seen by {user}", user=user) for user in users]
    with open_store(folder) as store:
        store.append(flags)
    log = folder / "dataset1.csv"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(DAMAGES[damage](lines)))
    # A row of zeros at the end may be one that is being written.
    lost = LOST.get(damage, {"bob"})
    good = [flag for flag in flags if flag.user not in lost]
    code = 0 if damage == "a last row of zeros" else 3
    check_commands(tmp_path, str(folder), good, code)


LOST: dict[str, set[str]] = {"a row of one cell": set(), "half a row": {"bob", "cyd"}}
"""Whose flags are lost, where that is not bob's alone; half a row has no end before the next."""


def run(*args: object, code: int) -> str:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == code, f"{args}: {result.output} {result.exception!r}"
    if code == 3 and args[0] != "doctor":
        assert re.match(r"Skipped [\d,]+ records? that could not be read: ", result.stderr)
    return result.stdout


def check_commands(
    tmp_path: Path, place: str, good: list[Flag], code: int, *, finds: bool = False
) -> None:
    """
    Have each verb tell of the *good* flags in the store *place*, and end with *code*.

    A store that *finds* a flag without reading others has nothing to tell then.
    """
    listed = run("list", "--store", place, "--json", code=code).splitlines()
    assert sorted(json.loads(line)["id"] for line in listed) == sorted(flag.id for flag in good)
    assert f"{len(good)} flags in" in run("stats", "--store", place, code=code)
    assert good[0].id in run("show", good[0].id, "--store", place, code=0 if finds else code)
    run("export", place, tmp_path / "out", "--format", "csv", code=code)
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["flags"] == len(good)
    copy = tmp_path / "copy.db"
    run("sync", place, copy, code=code)
    with open_store(copy) as target:
        assert sorted(f.id for f in target.find()) == sorted(flag.id for flag in good)
    run("forget", "--user", "ana", "--store", place, "--yes", code=code)
    rest = [flag.id for flag in good if flag.user != "ana"]
    listed = run("list", "--store", place, "--json", code=code).splitlines()
    assert sorted(json.loads(line)["id"] for line in listed) == sorted(rest)


@pytest.mark.parametrize(
    "change",
    [
        "json = '{'",
        "json = replace(json, 'seen', 'sewn')",
        "json = x'00ff'",
        "json = 17",
        "json = cast(x'7bff' as text)",
        "checksum = checksum + 1",
    ],
)
def test_a_damaged_database_is_told_by_every_command(tmp_path, change):
    """
    So it is with a row of SQLite.
    """
    place = tmp_path / "flags.db"
    flags = [make_flag(f"seen by {user}", user=user) for user in ("ana", "bob", "cyd")]
    with open_store(place) as store:
        store.append(flags)
    with closing(sqlite3.connect(place)) as db:
        db.execute(f"UPDATE flagstone_record SET {change} WHERE seq = 2")
        db.commit()

    check_commands(tmp_path, str(place), [flags[0], flags[2]], 3, finds=True)


def test_a_newer_record_is_told_by_every_command_but_the_copy(tmp_path):
    """
    What a newer version wrote is copied, so that `sync` has nothing to tell; all others have.
    """
    place, flag = tmp_path / "flags.db", make_flag()
    with open_store(place) as store:
        store.append([flag, *newer_records()])

    listed = run("list", "--store", place, "--json", code=3).splitlines()
    assert [json.loads(line)["id"] for line in listed] == [flag.id]
    assert "1 flag in" in run("stats", "--store", place, code=3)
    run("export", place, tmp_path / "out", "--format", "csv", code=3)
    assert run("sync", place, tmp_path / "copy.db", code=0).startswith("Copied 5 records")
    run("forget", "--user", "ana", "--store", place, "--yes", code=1)  # of ana no flag is readable


def test_a_damaged_shard_is_told_by_every_command(tmp_path):
    """
    So it is with a shard that is damaged.
    """
    place = tmp_path / "shards"
    flags = [make_flag(f"seen by {user}", user=user) for user in ("ana", "bob", "cyd")]
    with open_store(f"parquet:{place}") as store:
        for flag in flags:
            store.append([flag])
    (place / "000000000002.parquet").write_bytes(b"\0" * 4096)

    check_commands(tmp_path, f"parquet:{place}", [flags[0], flags[2]], 3)


def test_the_doctor_names_newer_records(tmp_path):
    """
    They are no damage; the doctor names them, with status 3.
    """
    place = tmp_path / "flags.db"
    with open_store(place) as store:
        store.append([make_flag(), *newer_records()])

    told = json.loads(run("doctor", place, "--json", code=3))

    assert (told["records"], told["damage"]) == (5, [])
    assert (
        told["newer"][0]
        == f"{place}, id {ID.format(1)}: it has schema 2, and this version supports 1"
    )


def test_a_review_of_a_damaged_flag_hides_nothing(tmp_path):
    """
    What is said about a flag that cannot be read is passed over with it.
    """
    place = tmp_path / "flags.db"
    one, other = make_flag("one"), make_flag("other")
    with open_store(place) as store:
        store.append([one, other])
        store.append([Review(flag_id=flag.id, verdict="accepted") for flag in (one, other)])
    with closing(sqlite3.connect(place)) as db:
        db.execute("UPDATE flagstone_record SET json = '{' WHERE seq IN (1, 4)")
        db.commit()

    with open_store(place) as store:
        state = store.state(other.id)
        assert (list(store.find()), state.verdict) == ([other], "open")
        assert [passed.location for passed in store.skipped] == [
            f"{place}, row 4",
            f"{place}, row 1",
        ]
