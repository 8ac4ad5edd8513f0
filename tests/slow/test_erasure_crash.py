"""
An erasure that is killed, at every step and at random: the next forget or the doctor alone ends it.
"""

import copy
import io
import multiprocessing
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import forkserver, util
from pathlib import Path
from typing import Any

import cut
import pyarrow.parquet as pq
import pytest
from hub_server import Hub
from rounds import rounds

from flagstone import Flag, Query, Review, Store, Value
from flagstone.core.records import Outcome
from flagstone.operations.check import check_store
from flagstone.operations.forget import finish_erasures, forget
from flagstone.operations.sync import sync
from flagstone.testing import make_flag

pytestmark = pytest.mark.slow

EVERY = rounds(1, by_default=80)
"""Of so many steps one is cut at; by default another one each day."""

ROUNDS = rounds(36, by_default=1)
"""How often an erasure of each kind is killed at random: 324 in all, of the nine kinds."""

LOCAL = ["csv", "sqlite", "shards", "tabs", "gradio", "folders"]
KINDS = [*LOCAL, "hub", "hub-csv", "hub-folders"]

PRELOADED = [
    "cut",
    "flagstone.stores.parquet.store",
    "flagstone.stores.hub_legacy.repo_folder",
    "httpx",
]
"""What takes long to import: a process is to be killed at its work."""

TEXT = "SECRET-of-ana"
FILE = random.Random(1).randbytes(3000) + b"SECRET-file" + random.Random(2).randbytes(3000)
LARGE = random.Random(3).randbytes(1 << 20) + b"SECRET-large"
SHARED = b"shared " * 100


def fill(kind: str, store: Store) -> None:
    """Flags of ana's, with files and what was said about them, between those of others."""
    for number in range(3):
        shared = store.files.put(io.BytesIO(SHARED), name="shared.png", mime_type="image/png")
        own = store.files.put(io.BytesIO(FILE), name="ana.png", mime_type="image/png")
        large = store.files.put(io.BytesIO(LARGE), name="large.png", mime_type="image/png")
        bos = make_flag(
            f"of bo {number}", user="bo", inputs={"p": Value(kind="image", data=shared)}
        )
        anas = make_flag(
            user="ana",
            comment=f"{TEXT} {number}",
            inputs={"p": Value(kind="image", data=own)},
            outputs={
                "p too": Value(kind="image", data=shared),
                "large": Value(kind="image", data=large),
            },
        )
        store.append([bos, anas])
        store.append(
            [Review(flag_id=anas.id, by="bo", note=f"{TEXT} said"), Review(flag_id=bos.id)]
        )
        store.append([Outcome(flag_id=anas.id, run_id="r", model=TEXT, status="broken")])


def fill_gradio(folder: Path) -> None:
    """A log as Gradio 6 writes it, with a picture for each row."""
    rows = ["p,text,flag,username,timestamp"]
    for number, user in enumerate(["ana", "bo", "ana"]):
        secret, content = (TEXT, FILE + b"%d" % number) if user == "ana" else ("text", SHARED)
        name = f"p/{number:020x}/a.png"
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(content)
        rows.append(f"flagged/{name},{secret},,{user},2026-01-0{number + 1} 12:00:00.000000")
    (folder / "log.csv").write_bytes("".join(f"{row}\r\n" for row in rows).encode())


class Scene:
    """A store of one kind with copies, as it was before an erasure, to begin again from."""

    def __init__(self, kind: str, root: Path, hub: Hub | None) -> None:
        self.kind = kind
        self.root = root
        self.hub = hub
        (root / "tmp").mkdir(parents=True)
        self.fill()
        self.places = [self.open]
        if hub is None:  # which notes nowhere what it is copied to
            self.places.append(lambda: cut.open_store(root / "copy.db"))
            with self.open() as store, self.places[-1]() as target:
                sync(store, target)
        with self.open() as store:
            self.others = texts_of(store)
        self.pristine = root.with_name("pristine")
        shutil.copytree(root, self.pristine)
        self.commits = copy.deepcopy(hub.repos) if hub else {}

    def fill(self) -> None:
        folder = self.root / "flags"
        match self.kind:
            case "tabs":
                for tab in (folder / "one", folder / "two" / "three"):
                    with cut.open_store(f"csv:{tab}") as store:
                        fill(self.kind, store)
                with cut.open_store(folder / "four" / "flags.db") as store:
                    fill(self.kind, store)
            case "gradio":
                fill_gradio(folder)
            case "folders":
                from flagstone.stores.hub_legacy.flag_folders import FlagFolders

                with FlagFolders(folder) as store:
                    fill(self.kind, store)
            case _:
                with self.open() as store:
                    fill(self.kind, store)

    def open(self) -> Store:
        return cut.open_kind(self.kind, self.root, self.hub.url if self.hub else "")

    def restore(self) -> None:
        shutil.rmtree(self.root)
        shutil.copytree(self.pristine, self.root)
        if self.hub:
            self.hub.repos.clear()
            self.hub.repos.update(copy.deepcopy(self.commits))

    def start(self, number: int) -> Any:
        arguments = (self.kind, self.root, number, self.hub.url if self.hub else "")
        process = multiprocessing.get_context("forkserver").Process(
            target=cut.run, args=arguments, daemon=True
        )
        process.start()
        return process

    def end(self, *, by: str) -> None:
        """The next forget, or the doctor alone."""
        with self.open() as store:
            if by == "forget":
                receipt = forget([store], query=Query(user="ana"), everywhere=True)
                assert receipt.unreached == receipt.unfinished == ()
            else:
                finding = check_store(store)
                assert (finding.damage, finding.unfinished) == ((), None)

    def check(self, *, gone: bool = True) -> None:
        """Nothing of ana's is anywhere, and all of the others is whole."""
        for place in self.places:
            with place() as store:
                assert texts_of(store) == self.others
        if gone:
            assert {place for place, content in self.contents() if b"SECRET" in content} == set()
            assert {place for place, content in self.contents() if FILE[:1000] in content} == set()
            assert {place for place, content in self.contents() if LARGE[:1000] in content} == set()

    def written(self) -> tuple[int, int]:
        """How many notes and commits there are: more of them as soon as an erasure begins."""
        notes = [*self.root.glob("*.forgetting"), *self.root.glob("*/.forgetting")]
        commits = (
            [commit for repo in self.hub.repos.values() for commit in repo.commits]
            if self.hub
            else []
        )
        return len(notes), len(commits)

    def contents(self) -> Iterator[tuple[str, bytes]]:
        for path in self.root.rglob("*"):
            if path.is_file():
                yield from read(str(path.relative_to(self.root)), path.read_bytes())
        for repo in self.hub.repos.values() if self.hub else ():
            for commit in repo.commits:
                for name, blob in commit.files.items():
                    yield from read(f"{commit.title}: {name}", blob.content)
            for name, content in repo.large.items():
                yield from read(name, content)


def read(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """*content* as it lies there and, of Parquet, as it is read, too."""
    yield name, content
    if content[:4] == b"PAR1":
        yield name, str(pq.read_table(io.BytesIO(content)).to_pylist()).encode()


def texts_of(store: Store) -> list[str]:
    """What others than ana flagged, and what was said about that, with their files."""
    records = list(store.scan())
    anas = {record.id for record in records if isinstance(record, Flag) and record.user == "ana"}
    kept = [r for r in records if r.id not in anas and getattr(r, "flag_id", "") not in anas]
    for ref in (ref for record in kept for ref in record.files()):
        with store.files.open(ref) as file:
            assert file.read() == SHARED
    return sorted(replace(record, extra={}).to_json() for record in kept)


@pytest.fixture
def scene(request, tmp_path, shared_hub, _online, monkeypatch) -> Scene:
    multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOADED)
    util.get_temp_dir()  # before another place for it is named
    forkserver.ensure_running()
    hub = shared_hub if "hub" in request.param else None
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "root" / "tmp"))
    if hub:
        hub.repos.clear()
    return Scene(request.param, tmp_path / "root", hub)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("scene", KINDS, indirect=True)
def test_killed_at_every_step(scene):
    """
    Wherever it is cut, the next forget ends it, and so does the doctor alone once it has begun.
    """
    first = random.Random(time.strftime("%F")).randrange(EVERY)
    number, steps = 1 + first, None
    while steps is None:
        for by in ("forget", "doctor"):
            scene.restore()
            process = scene.start(number)
            process.join()
            assert process.exitcode in (0, -9)
            if process.exitcode == 0:
                steps = int((scene.root / "steps").read_text())
            has_begun = steps is not None or is_noted(scene)
            scene.end(by=by)
            scene.check(gone=by == "forget" or has_begun)
        number += EVERY
    assert steps > 10


def wait_for_begin(scene: Scene, process: Any) -> float:
    """Wait until *process* has written something, or has ended; says when that was."""
    before = scene.written()
    while process.is_alive() and scene.written() == before:
        process.join(0.002)
    return time.monotonic()


def is_noted(scene: Scene) -> bool:
    """Whether the erasure had begun: before that there is nothing for the doctor to know."""
    with scene.open() as store:
        return finish_erasures(store, dry_run=True) > 0


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("scene", KINDS, indirect=True)
def test_killed_at_random(scene):
    """
    Killed again and again at random moments, what ends it ends all of it.
    """
    chance = random.Random(scene.kind)
    longest = 0.0
    for _ in range(2):  # the first one reads what is not in memory yet
        scene.restore()
        process = scene.start(0)
        began = wait_for_begin(scene, process)
        process.join()
        assert process.exitcode == 0
        longest = time.monotonic() - began
    for number in range(ROUNDS):
        scene.restore()
        has_begun = False
        for _ in range(chance.randint(1, 3)):
            process = scene.start(0)
            wait_for_begin(scene, process)
            process.join(chance.random() * longest)
            process.kill()
            process.join()
            assert process.exitcode in (0, -9)
            has_begun = has_begun or process.exitcode == 0 or is_noted(scene)
        by = ("forget", "doctor")[number % 2]
        scene.end(by=by)
        scene.check(gone=by == "forget" or has_begun)
