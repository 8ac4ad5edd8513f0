"""
Every store, held to the contract that we ship.
"""

import csv
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from flagstone.files import MemoryFiles
from flagstone.store import Store
from flagstone.stores import open_store
from flagstone.stores.group import GroupCommit
from flagstone.stores.memory import MemoryStore
from flagstone.testing import StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _stores(self) -> None:
        self.stores: dict[Path, MemoryStore] = {}

    def open(self, place: Path) -> Store:
        return self.stores.setdefault(place, MemoryStore())

    def texts(self, place: Path) -> list[str]:
        return [text for text in self.stores[place]._texts.values() if text]

    def content(self, place: Path) -> bytes:
        store = self.stores[place]
        assert isinstance(store.files, MemoryFiles)
        return "".join(store._texts.values()).encode() + b"".join(store.files._contents.values())


class TestCsvFolder(StoreContract):
    def open(self, place: Path) -> Store:
        return open_store(place)

    def texts(self, place: Path) -> list[str]:
        with (place / "dataset1.csv").open(newline="", encoding="utf-8") as file:
            records = [json.loads(row["record"]) for row in csv.DictReader(file)]
        for number, record in enumerate(records, 1):
            assert record.pop("row") == number
        return [json.dumps(record, separators=(",", ":"), ensure_ascii=False) for record in records]


class TestSqlite(StoreContract):
    def open(self, place: Path) -> Store:
        return open_store(place / "flags.db")

    def texts(self, place: Path) -> list[str]:
        with closing(sqlite3.connect(place / "flags.db")) as db:
            return [
                text for (text,) in db.execute("SELECT json FROM flagstone_record ORDER BY seq")
            ]


class TestGroupCommit(TestSqlite):
    def open(self, place: Path) -> Store:
        return GroupCommit(super().open(place))
