"""
Every store, held to the contract that we ship.
"""

import csv
import io
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import s3fs
from hub_server import Hub
from s3_server import S3Server

from flagstone.stores.base import Store
from flagstone.stores.combined import CombinedStore
from flagstone.stores.files import MemoryFiles
from flagstone.stores.group_commit import GroupCommit
from flagstone.stores.hub_legacy.flag_folders import FlagFolders
from flagstone.stores.memory import MemoryStore
from flagstone.stores.open import open_store
from flagstone.stores.parquet.store import ParquetStore
from flagstone.stores.sql.indexed_store import IndexedStore
from flagstone.stores.sql.store import SqlStore
from flagstone.testing import StoreTests


class TestMemoryStore(StoreTests):
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


class TestCsvFolder(StoreTests):
    def open(self, place: Path) -> Store:
        return open_store(place)

    def texts(self, place: Path) -> list[str]:
        with (place / "dataset1.csv").open(newline="", encoding="utf-8") as file:
            records = [json.loads(row["record"]) for row in csv.DictReader(file)]
        for number, record in enumerate(records, 1):
            assert record.pop("row") == number
            assert re.fullmatch("[0-9a-f]{16}", record.pop("sums"))
        return [json.dumps(record, separators=(",", ":"), ensure_ascii=False) for record in records]


class TestSqlite(StoreTests):
    def open(self, place: Path) -> Store:
        return open_store(place / "flags.db")

    def texts(self, place: Path) -> list[str]:
        with closing(sqlite3.connect(place / "flags.db")) as db:
            return [
                text for (text,) in db.execute("SELECT json FROM flagstone_record ORDER BY seq")
            ]


class TestShards(StoreTests):
    def open(self, place: Path) -> Store:
        return open_store(f"parquet:{place}")

    def texts(self, place: Path) -> list[str]:
        tables = [pq.read_table(path) for path in sorted(place.glob("*.parquet"))]
        return [text for table in tables for text in table["record"].to_pylist() if text]

    def content(self, place: Path) -> bytes:
        tables = [pq.read_table(path).to_pylist() for path in place.glob("*.parquet")]
        return super().content(place) + str(tables).encode()  # what is compressed, too


@pytest.mark.slow
class TestShardsOnS3(StoreTests):
    @pytest.fixture(autouse=True)
    def _server(self, s3_server: S3Server) -> None:
        self.s3_server = s3_server
        self.fs = s3fs.S3FileSystem(**s3_server.options, use_listings_cache=False)

    def url(self, place: Path) -> str:
        return f"s3://flags/{place.parent.name}"

    def open(self, place: Path) -> Store:
        return ParquetStore(self.url(place), self.s3_server.options)

    def tables(self, place: Path) -> list[list[dict[str, Any]]]:
        shards = sorted(self.fs.glob(f"{self.url(place)}/*.parquet"))
        return [pq.read_table(io.BytesIO(self.fs.cat_file(shard))).to_pylist() for shard in shards]

    def texts(self, place: Path) -> list[str]:
        return [row["record"] for rows in self.tables(place) for row in rows if row["record"]]

    def content(self, place: Path) -> bytes:
        files = [self.fs.cat_file(path) for path in self.fs.find(self.url(place))]
        return b"".join(files) + str(self.tables(place)).encode()


@pytest.mark.slow
class TestShardsOnTheHub(StoreTests):
    @pytest.fixture(autouse=True)
    def _server(self, shared_hub: Hub, _online: None) -> None:
        self.hub = shared_hub

    def id(self, place: Path) -> str:
        return f"ana/{place.parent.name}"

    def open(self, place: Path) -> Store:
        options = {"token": "hf_ana", "endpoint": self.hub.url}
        return ParquetStore(f"hf://datasets/{self.id(place)}", options)

    def tables(self, place: Path) -> list[list[dict[str, Any]]]:
        files = sorted(self.hub.dataset(self.id(place)).head.files.items())
        return [
            pq.read_table(io.BytesIO(blob.content)).to_pylist()
            for path, blob in files
            if path.endswith(".parquet")
        ]

    def texts(self, place: Path) -> list[str]:
        return [row["record"] for rows in self.tables(place) for row in rows if row["record"]]

    def content(self, place: Path) -> bytes:
        repo = self.hub.dataset(self.id(place))
        files = [blob.content for commit in repo.commits for blob in commit.files.values()]
        return b"".join([*files, *repo.large.values()]) + str(self.tables(place)).encode()


class TestGroupCommit(TestSqlite):
    def open(self, place: Path) -> Store:
        return GroupCommit(super().open(place))


class TestIndexed(TestSqlite):
    def open(self, place: Path) -> Store:
        store = super().open(place)
        assert isinstance(store, SqlStore)
        return IndexedStore(store)


class TestFlagFolders(StoreTests):
    def open(self, place: Path) -> Store:
        return FlagFolders(place)

    def texts(self, place: Path) -> list[str]:
        flags = [json.loads(path.read_bytes()) for path in sorted(place.glob("*/metadata.jsonl"))]
        others = [path.read_text() for path in sorted(place.glob("*/*.json"))]
        return [*(flag["record"] for flag in flags), *others]


class TestCombined(TestCsvFolder):
    @pytest.fixture(autouse=True)
    def _tab(self, place: Path) -> None:
        (place / "tab").mkdir(parents=True)
        (place / "tab" / "dataset1.csv").touch()

    def open(self, place: Path) -> Store:
        store = open_store(place)
        assert isinstance(store, CombinedStore)
        return store
