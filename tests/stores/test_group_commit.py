"""
The group commit: many appends, one fsync; each caller gets its own answer.
"""

import signal
import threading
from collections.abc import Iterable

import pytest

from flagstone.core.records import FileRef, Record, Value
from flagstone.errors import MissingFileError
from flagstone.stores.base import StoreWrapper
from flagstone.stores.group_commit import GroupCommit
from flagstone.stores.memory import MemoryStore
from flagstone.testing import FailingStore, make_flag


class GatedStore(StoreWrapper):
    """A store whose first append waits at a gate; it counts the appends."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())
        self.arrived, self.gate = threading.Event(), threading.Event()
        self.appends: list[int] = []

    def append(self, records: Iterable[Record]) -> None:
        records = list(records)
        self.appends.append(len(records))
        if len(self.appends) == 1:
            self.arrived.set()
            assert self.gate.wait(30)
        super().append(records)


def start(
    group: GroupCommit, records: list[Record], errors: list[BaseException]
) -> threading.Thread:
    def work() -> None:
        try:
            group.append(records)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def wait_until_queued(group: GroupCommit, number: int) -> None:
    while len(group._arriving.requests) < number:
        pass


def test_those_who_arrive_meanwhile_go_together():
    """
    While one append is under way, ten more make one append.
    """
    store = GatedStore()
    group = GroupCommit(store)
    threads = [start(group, [make_flag("first")], [])]
    assert store.arrived.wait(30)
    threads += [start(group, [make_flag(str(n))], []) for n in range(10)]
    wait_until_queued(group, 10)

    store.gate.set()
    for thread in threads:
        thread.join()

    assert store.appends == [1, 10]
    assert store.count() == 11


def test_one_bad_record_fails_alone():
    """
    An error reaches the caller whose records caused it; its neighbours' are kept.
    """
    store = GatedStore()
    group = GroupCommit(store)
    ref = FileRef(sha256="0" * 64, name="x", size=1)
    bad = make_flag(outputs={"f": Value(kind="file", data=ref)})
    errors: list[BaseException] = []
    threads = [start(group, [make_flag("first")], errors)]
    assert store.arrived.wait(30)
    threads += [start(group, [record], errors) for record in (make_flag("a"), bad, make_flag("b"))]
    wait_until_queued(group, 3)

    store.gate.set()
    for thread in threads:
        thread.join()

    assert [type(error) for error in errors] == [MissingFileError]
    assert sorted(str(flag.inputs["text"].data) for flag in store.find()) == ["a", "b", "first"]


@pytest.mark.usefixtures("_ctrl_c")
def test_ctrl_c_while_waiting_holds_nobody_up():
    """
    A main thread that is interrupted while it waits leaves its record to be kept, and its turn.
    """
    store = GatedStore()
    group = GroupCommit(store)
    first = start(group, [make_flag("first")], [])
    assert store.arrived.wait(30)

    def interrupt() -> None:
        wait_until_queued(group, 1)
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGINT)

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        group.append([make_flag("interrupted")])
    store.gate.set()
    for thread in (first, interrupter):
        thread.join()
    group.append([make_flag("later")])

    assert sorted(str(flag.inputs["text"].data) for flag in store.find()) == [
        "first", "interrupted", "later",
    ]  # fmt: skip


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyboardInterrupt()])
def test_an_error_of_any_kind_reaches_the_caller(error):
    """
    What is no error of ours reaches the caller as well, and the next append works.
    """
    group = GroupCommit(FailingStore(MemoryStore(), every=2, error=error))
    group.append([make_flag()])

    with pytest.raises(type(error)):
        group.append([make_flag()])
    group.append([make_flag()])

    assert group.count() == 2
