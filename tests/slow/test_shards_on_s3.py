"""
Shards in a bucket: two writers and a reader while the server is killed, and a bucket that goes.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import s3fs
from s3_server import S3Server

from flagstone.errors import StoreError
from flagstone.stores.parquet.store import ParquetStore
from flagstone.testing import make_flag

pytestmark = pytest.mark.slow


@pytest.fixture
def own_server(tmp_path: Path):
    """A server that may be killed: nobody else's tests need it."""
    with S3Server.running(tmp_path / "s3") as server:
        yield server


class Race:
    """Two writers and a reader on one bucket, and what they have seen."""

    def __init__(self, s3_server: S3Server) -> None:
        self.s3_server = s3_server
        self.acknowledged: list[str] = []
        self.followed: set[str] = set()
        self.failures: list[StoreError] = []
        self.done = threading.Event()

    def open(self) -> ParquetStore:
        return ParquetStore("s3://flags/raced", self.s3_server.options)

    def write(self, writer: int) -> None:
        store = self.open()
        flags = [make_flag(f"{number} of {writer}") for number in range(15)]
        while flags:  # as sync does: again, until it is acknowledged
            with self.patience():
                store.append([flags[0]])
                self.acknowledged.append(flags.pop(0).id)

    def read(self) -> None:
        store, mark = self.open(), "0"
        while not self.done.is_set() or len(self.followed) < len(self.acknowledged):
            with self.patience():
                next_mark = store.cursor()
                self.followed.update(record.id for record in store.scan(mark))
                mark = next_mark

    @contextmanager
    def patience(self) -> Iterator[None]:
        try:
            yield
        except StoreError as error:
            self.failures.append(error)
            time.sleep(0.2)


def test_two_writers_and_a_reader_while_the_server_is_killed(own_server):
    """
    Every acknowledged flag is there exactly once after a kill -9 and a restart of the server.
    """
    race = Race(own_server)
    writers = [threading.Thread(target=race.write, args=(writer,)) for writer in range(2)]
    reader = threading.Thread(target=race.read)
    for thread in (*writers, reader):
        thread.start()
    while len(race.acknowledged) < 5:
        time.sleep(0.01)
    own_server.kill()
    time.sleep(0.5)
    own_server.start()
    for writer in writers:
        writer.join()
    race.done.set()
    reader.join()

    kept = [record.id for record in race.open().scan()]
    assert sorted(kept) == sorted(race.acknowledged)
    assert race.followed == set(race.acknowledged)
    assert len(kept) == 30
    assert race.failures  # the kill was felt


def test_a_bucket_that_vanishes(own_server):
    """
    Neither reading nor writing takes a bucket that is gone for an empty one.
    """
    fs = s3fs.S3FileSystem(**own_server.options, use_listings_cache=False)
    store = ParquetStore("s3://flags/shards", own_server.options)
    store.append([make_flag()])
    fs.rm("flags", recursive=True)

    with pytest.raises(StoreError, match="s3://flags/shards"):
        list(store.scan())
    with pytest.raises(StoreError, match="s3://flags/shards"):
        store.append([make_flag()])
