"""
Flipped bits: the doctor names every one, and readers tell all flags but those it hit.
"""

import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from flagstone import Flag, Review, Store, open_store
from flagstone.errors import StoreError
from flagstone.operations.check import check_store
from flagstone.testing import make_flag

FLIPS = int(os.environ.get("FLAGSTONE_FLIPS", "40"))
"""Bits flipped in each kind of store."""


def make_store(folder: Path, kind: str) -> list[Flag]:
    """A store with flags, a review of each third, and one flag that was erased."""
    flags = [
        make_flag(f'text {n} é \n, "quoted"; {"long " * (n % 7 * 40)}', user=f"user{n}")
        for n in range(24)
    ]
    with open_store(place_in(folder, kind)) as store:
        for flag in flags:
            store.append([flag])
        store.append([Review(flag_id=flag.id, by="ana", verdict="accepted") for flag in flags[::3]])
        store.erase([flags[-1].id])
    return flags[:-1]


def place_in(folder: Path, kind: str) -> str:
    return {
        "csv": f"csv:{folder}",
        "sqlite": str(folder / "flags.db"),
        "parquet": f"parquet:{folder}",
    }[kind]


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def all_that_is_in(path: Path) -> list[object]:
    """All rows of all tables of a database, by the table and by each index, and its schema."""
    with closing(sqlite3.connect(path)) as db:
        schema = db.execute("SELECT * FROM sqlite_master").fetchall()
        found: list[object] = [schema, db.execute("PRAGMA encoding").fetchall()]
        for kind, name, table, *_ in schema:
            if kind == "table":
                found.append(db.execute(f'SELECT rowid, * FROM "{table}" NOT INDEXED').fetchall())
            elif kind == "index" and name == "flagstone_about":
                found.append(
                    db.execute(
                        f'SELECT rowid, flag_id FROM "{table}" INDEXED BY "{name}" '
                        "WHERE flag_id IS NOT NULL"
                    ).fetchall()
                )
        return found


def read_all(store: Store) -> tuple[dict[str, str], StoreError | None]:
    """The flags in *store*, as their JSON; the error of one of which nothing can be read."""
    try:
        return {flag.id: flag.to_json() for flag in store.find()}, None
    except StoreError as error:
        return {}, error


def is_in_schema(folder: Path, error: StoreError | None) -> bool:
    """Whether SQLite itself cannot open the database, or says that it has no such table."""
    try:
        with closing(sqlite3.connect(folder / "flags.db")) as db:
            db.execute("SELECT seq, id, type, json, checksum FROM flagstone_record LIMIT 1")
    except (sqlite3.Error, UnicodeDecodeError):
        return True
    return "trigger" in str(error) or "view" in str(error)


def damaged_copies(folder: Path, source: Path, seed: int) -> Iterator[tuple[Path, str]]:
    """Copies of the store in *source*, each with one bit flipped, and which it is."""
    chosen = random.Random(seed)
    for number in range(FLIPS):
        copy = folder / f"copy{number}"
        shutil.copytree(source, copy)
        files = files_in(copy)
        (path,) = chosen.choices(files, [path.stat().st_size for path in files])
        bit = chosen.randrange(path.stat().st_size * 8)
        flip(path, bit)
        yield copy, f"{path.name}, byte {bit // 8}, bit {bit % 8}"
        shutil.rmtree(copy)


@pytest.mark.parametrize("kind", ["csv", "sqlite", "parquet"])
def test_every_flipped_bit_is_named(tmp_path, kind):
    """
    The doctor names each flipped bit, except in bytes that SQLite never reads: there the content
    of the database is unchanged.
    """
    source = tmp_path / "source"
    flags = make_store(source, kind)
    kept = {flag.id: flag.to_json() for flag in flags}
    sound = all_that_is_in(source / "flags.db") if kind == "sqlite" else None
    unnamed, unread = [], []
    for copy, which in damaged_copies(tmp_path, source, seed=18):
        with open_store(place_in(copy, kind)) as store:
            found, error = read_all(store)
            wrong = [id_ for id_ in found if kept.get(id_) != found[id_]]
            lost = kept.keys() - found.keys()
            is_told = bool(store.skipped) or not lost
            hides_others = len(lost) > 1 and not is_in_schema(copy, error)
            if error is None and (wrong or hides_others or not is_told):
                unread.append(f"{which}: {wrong} wrong, {lost} lost, told: {[*store.skipped]}")
            damage = check_store(store, dry_run=True).damage
        if error is not None and not is_in_schema(copy, error):
            unread.append(f"{which}: {error}")
        if not damage and (kind != "sqlite" or all_that_is_in(copy / "flags.db") != sound):
            unnamed.append(which)
    assert (unnamed, unread) == ([], [])
