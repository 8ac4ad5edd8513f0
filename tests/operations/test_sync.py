"""
Sync: what the target lacks, files first, exactly once, however often it is cut off.
"""

import io
import re
import threading

import pytest

from flagstone import Review, Store, Value, open_store
from flagstone.errors import StoreError
from flagstone.operations.sync import SyncResult, sync
from flagstone.stores.base import StoreWrapper
from flagstone.stores.memory import MemoryStore
from flagstone.testing import FailingStore, make_flag


@pytest.fixture(params=["csv", "flags.db", "memory:"])
def target(request, tmp_path) -> Store:
    place = request.param
    return open_store(place if place == "memory:" else tmp_path / "target" / place)


@pytest.fixture
def source(tmp_path) -> Store:
    store = open_store(tmp_path / "source")
    shared = store.files.put(io.BytesIO(b"shared"), name="a.png")
    flags = [
        make_flag(str(n), outputs={"f": Value(kind="file", data=[shared, own(store, n)])})
        for n in range(1200)
    ]
    store.append(flags)
    store.append([Review(flag_id=flags[3].id, verdict="accepted")])
    return store


def own(store: Store, number: int) -> object:
    return store.files.put(io.BytesIO(b"%d" % (number % 5)), name=f"{number}.txt")


def test_all_is_copied_and_then_nothing(source, target):
    """
    Records come in order with their files; a second sync finds all of them known.
    """
    done = sync(source, target)
    again = sync(source, target)

    assert done == SyncResult(copied=1201, known=0, files=6)
    assert again == SyncResult(copied=0, known=1201, files=0)
    assert list(target.scan()) == list(source.scan())
    for record in target.scan():
        for ref in record.files():
            with target.files.open(ref) as copy, source.files.open(ref) as original:
                assert copy.read() == original.read()


def test_a_dry_run_tells_the_same_and_copies_nothing(source, target):
    """
    What a sync would do is what it does.
    """
    told = sync(source, target, dry_run=True)

    assert list(target.scan()) == []
    assert told == sync(source, target)


def test_cut_off_and_begun_again(source, target):
    """
    After a failure in the middle the next run copies the rest, and nothing twice.
    """
    with pytest.raises(StoreError):
        sync(source, FailingStore(target, every=2))
    assert 0 < len(list(target.scan())) < 1201

    sync(source, target)

    assert list(target.scan()) == list(source.scan())


def test_what_was_erased_in_the_target_stays_away(source, target):
    """
    A sync does not bring back what the target erased.
    """
    sync(source, target)
    doomed = next(iter(source.scan())).id
    target.erase([doomed])

    done = sync(source, target)

    assert doomed not in {record.id for record in target.scan()}
    assert done.copied == 0


@pytest.mark.parametrize(("content", "reason"), [(None, "is missing"), (b"x", "match its hash")])
def test_a_damaged_file_is_not_copied(tmp_path, content, reason):
    """
    A flag whose file is gone or changed is passed over and named; the others are copied.
    """
    source, target = open_store(tmp_path / "source.db"), MemoryStore()
    ref = source.files.put(io.BytesIO(b"good"), name="scan.png")
    damaged = make_flag(outputs={"f": Value(kind="file", data=ref)})
    source.append([damaged, whole := make_flag("whole")])
    path = source.files.path(ref.sha256)
    path.unlink() if content is None else path.write_bytes(content)

    done = sync(source, target)

    assert done == SyncResult(copied=1)
    assert list(target.scan()) == [whole]
    assert not target.files.has(ref)
    (passed,) = source.skipped
    assert passed.location == f"{source.location}, id {damaged.id}"
    assert re.search(f"scan.png.*{reason}", passed.reason)
    path.write_bytes(b"good")
    assert sync(source, target) == SyncResult(copied=1, known=1, files=1)


def test_a_damaged_source_takes_nothing_from_the_target(tmp_path):
    """
    Wrong bytes in the source that the target has rightly stay in the target.
    """
    source, target = open_store(tmp_path / "source.db"), open_store(tmp_path / "target.db")
    ref = source.files.put(io.BytesIO(b"good"), name="a")
    source.append([make_flag(outputs={"f": Value(kind="file", data=ref)})])
    source.files.path(ref.sha256).write_bytes(b"")
    empty = target.files.put(io.BytesIO(b""), name="empty")
    target.append([make_flag(outputs={"f": Value(kind="file", data=empty)})])

    assert sync(source, target).copied == 0

    assert target.files.has(empty)


class TestFollowing:
    def test_what_comes_later_is_copied_too(self, target):
        """
        A followed source is copied as it grows, until it is told to stop.
        """
        source, stop, told = MemoryStore(), threading.Event(), []
        first, second = make_flag("first"), make_flag("second")
        source.append([first])

        def progress(done):
            told.append(done.copied)
            if done.copied == 1:
                source.append([second])
            else:
                stop.set()

        done = sync(source, target, follow=True, stop=stop, progress=progress)

        assert list(target.scan()) == [first, second]
        assert done.copied == 2
        assert told == [1, 2]

    def test_an_outage_is_waited_out(self, caplog):
        """
        A target that fails is named in the log, tried again, and nothing is lost.
        """
        source, kept, stop = MemoryStore(), MemoryStore(), threading.Event()
        source.append([make_flag()])

        class Outage(StoreWrapper):
            is_over = False

            def append(self, records):
                if not self.is_over:
                    self.is_over = True
                    raise StoreError(doing="write to", where=self.location, reason="it is away")
                super().append(records)
                stop.set()

        sync(source, Outage(kept), follow=True, stop=stop)

        assert list(kept.scan()) == list(source.scan())
        assert "trying again" in caplog.text
