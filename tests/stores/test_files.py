"""
Where files lie: each once, whole, under its hash, and swept when a crash left them behind.
"""

import hashlib
import io
import os
import random
import threading
import time
from pathlib import Path

import pytest

from flagstone.errors import ChangingFileError, StoreError
from flagstone.fs.atomic import BLOCK
from flagstone.stores.files import DirectoryFiles, MemoryFiles

LONG_AGO = time.time() - 10_000


@pytest.fixture
def files(tmp_path) -> DirectoryFiles:
    return DirectoryFiles(tmp_path / "files")


def kept(files: DirectoryFiles) -> set[str]:
    return {path.name for path in files.root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
@pytest.mark.parametrize("kind", ["path", "file", "memory"])
def test_a_file_of_any_size_is_kept_whole(files, tmp_path, size, kind):
    """
    From a path, an open file or memory: the bytes, the hash and the size are those of the source.
    """
    content = random.Random(size).randbytes(size)
    path = tmp_path / "source"
    path.write_bytes(content)

    with path.open("rb") as file:
        source = {"path": path, "file": file, "memory": io.BytesIO(content)}[kind]
        ref = files.put(source, name="a")
    again = files.put(path, name="b")

    assert files.path(ref.sha256).read_bytes() == content
    assert ref.sha256 == again.sha256 == hashlib.sha256(content).hexdigest()
    assert ref.size == size
    assert kept(files) == {ref.sha256}


def test_a_file_that_is_here_is_not_written_again(files, tmp_path):
    """
    A small file put again is found by its hash and left as it is.
    """
    source = tmp_path / "source"
    source.write_bytes(b"x" * 1000)
    place = files.path(files.put(source, name="a").sha256)
    before = place.stat().st_ino

    files.put(source, name="a")

    assert place.stat().st_ino == before


def test_a_file_written_to_meanwhile_is_refused(files, tmp_path):
    """
    A file that grows while it is read is no moment's content: a sentence, and nothing kept.
    """
    source = tmp_path / "growing.mp4"
    source.write_bytes(bytes(64 << 20))
    done = threading.Event()

    def grow() -> None:
        with source.open("ab", buffering=0) as file:
            while not done.is_set():
                file.write(b"x")

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        with pytest.raises(ChangingFileError, match=r"growing\.mp4.*modified while it was read"):
            files.put(source, name="growing.mp4")
    finally:
        done.set()
        writer.join()

    assert kept(files) == set()


def test_what_cannot_be_read_leaves_nothing(files, tmp_path):
    """
    A directory in place of a file, or none at all, is an error and leaves no part behind.
    """
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(StoreError, match="save a file"):
            files.put(path, name="x")

    assert not files.root.exists()


@pytest.mark.parametrize(
    "name", ["a.png", "../../etc/passwd", "a\x00b", "x" * 300 + ".wav", "", "..", "\n\t", "é\ud800"]
)
def test_an_export_has_the_persons_name(files, tmp_path, name):
    """
    A copy lies under its own name below its folder, whatever the name; a second is the same file.
    """
    ref = files.put(io.BytesIO(b"content"), name=name)

    path = files.export(ref, tmp_path / "out")

    assert path.read_bytes() == b"content"
    assert path.parent.parent == tmp_path / "out"
    assert path.suffix == Path(name).suffix or not Path(name).suffix.isprintable()
    assert (path.name == name) == (name == "a.png")
    assert files.export(ref, tmp_path / "out") != path  # whoever writes to it spoils no other


def test_an_error_while_reading_leaves_nothing(files):
    """
    A source that fails midway, with whatever error, leaves no part behind.
    """

    class Torn(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 0:
                raise ConnectionError("cut off") if size == BLOCK else ValueError("torn")
            return super().read(size)

    with pytest.raises(StoreError, match="cut off"):
        files.put(Torn(bytes(2 * BLOCK)), name="x")

    assert kept(files) == set()


def test_a_source_that_gives_a_little_at_a_time(files):
    """
    A pipe is read to its end, also where its beginning is a file that is here.
    """
    files.put(io.BytesIO(b"abc"), name="x")

    class Pipe(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(3, size or 3))

    ref = files.put(Pipe(b"abcdef"), name="y")

    assert files.path(ref.sha256).read_bytes() == b"abcdef"


def test_to_put_a_damaged_file_again_mends_it(files):
    """
    Where the bytes that are here are too few, those that are put take their place.
    """
    ref = files.put(io.BytesIO(b"content"), name="x")
    files.path(ref.sha256).write_bytes(b"")

    assert not files.has(ref)
    files.put(io.BytesIO(b"content"), name="x")

    assert files.path(ref.sha256).read_bytes() == b"content"


def test_memory_has_the_same_errors(tmp_path):
    """
    A file that is not there is the same error whatever the store.
    """
    with pytest.raises(StoreError, match="save a file in memory:"):
        MemoryFiles().put(tmp_path / "none", name="x")


def test_a_file_changed_and_changed_back_is_read_anew(files, tmp_path):
    """
    What is remembered of a file is not used once it was written to, be it of the same size.
    """
    source = tmp_path / "source"
    for content in (b"one", b"two", b"one"):
        source.write_bytes(content)
        os.utime(source, (LONG_AGO, LONG_AGO))

        ref = files.put(source, name="x")

        with files.open(ref) as file:
            assert file.read() == content


class TestSweep:
    """What a crash left behind goes, and nothing else."""

    def put(self, files: DirectoryFiles, content: bytes, *, old: bool = True) -> str:
        sha256 = files.put(io.BytesIO(content), name="x").sha256
        if old:
            os.utime(files.path(sha256), (LONG_AGO, LONG_AGO))
        return sha256

    def test_old_files_that_nothing_needs_go(self, files):
        """
        Needed files stay, as do those put a moment ago; parts of files go like whole ones.
        """
        needed, orphan = self.put(files, b"needed"), self.put(files, b"orphan")
        fresh = self.put(files, b"fresh", old=False)
        part = files.root / "part-0123456789abcdef"
        part.write_bytes(b"half")
        os.utime(part, (LONG_AGO, LONG_AGO))

        told = files.sweep({needed}, age=3600, dry_run=True)
        assert kept(files) == {needed, orphan, fresh, "part-0123456789abcdef"}
        swept = files.sweep({needed}, age=3600)

        assert swept == told == {orphan: 6, "part-0123456789abcdef": 4}
        assert kept(files) == {needed, fresh}

    def test_a_file_put_again_stays(self, files):
        """
        To put an old file again makes it new: its record may be on its way.
        """
        orphan = self.put(files, b"orphan")
        self.put(files, b"orphan", old=False)

        assert files.sweep(set(), age=3600) == {}
        assert kept(files) == {orphan}

    def test_a_put_in_the_moment_of_a_sweep(self, files):
        """
        An old file that is put again just when it is swept is there when both are done.
        """
        for _ in range(50):
            sha256 = self.put(files, b"content")
            both = threading.Barrier(2)

            def put(both: threading.Barrier = both) -> None:
                both.wait()
                files.put(io.BytesIO(b"content"), name="x")

            putting = threading.Thread(target=put)
            putting.start()
            both.wait()
            files.sweep(set(), age=3600)
            putting.join()

            assert kept(files) == {sha256}
