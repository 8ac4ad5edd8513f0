"""
Files of a flag that may yet be refused: nothing on the medium before it is clear, and then only
what the flag still refers to.
"""

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from flagstone import FileRef, Flag, Value
from flagstone.errors import ChangingFileError, StoreError
from flagstone.stores.files import DirectoryFiles
from flagstone.stores.staged_files import StagedFiles
from flagstone.testing import make_flag


@pytest.fixture
def kept(tmp_path) -> DirectoryFiles:
    """The files that those staged go to."""
    return DirectoryFiles(tmp_path / "files")


@pytest.fixture
def staged(kept) -> StagedFiles:
    return StagedFiles(kept)


@pytest.fixture(params=["path", "bytes"])
def source_of(request, tmp_path) -> Callable[[bytes], Path | io.BytesIO]:
    """Makes content into what `put` takes: a file elsewhere on the disk, or an open reader."""

    def make(content: bytes) -> Path | io.BytesIO:
        if request.param == "bytes":
            return io.BytesIO(content)
        path = tmp_path / f"upload-{hashlib.sha256(content).hexdigest()[:8]}"
        path.write_bytes(content)
        return path

    return make


def on_disk(kept: DirectoryFiles) -> dict[str, bytes]:
    """All there is below the root, by name."""
    return {path.name: path.read_bytes() for path in kept.root.rglob("*") if path.is_file()}


def flag_of(*refs: FileRef) -> Flag:
    return make_flag(inputs={"files": Value(kind="files", data=list(refs))})


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_nothing_is_on_the_disk_before_commit(staged, kept, source_of):
    """
    A file that is staged is known by all that a reference says, and not even its folder is there.
    """
    ref = staged.put(source_of(b"content"), name="a.png", mime_type="image/png")

    assert ref == FileRef(sha256=sha256_of(b"content"), name="a.png", mime_type="image/png", size=7)
    assert not kept.root.exists()


def test_commit_keeps_what_the_flag_refers_to(staged, kept, source_of):
    """
    After commit the bytes lie under their hash, and the store itself has them.
    """
    one = staged.put(source_of(b"one"), name="1.png")
    none = staged.put(source_of(b""), name="0.png")

    staged.commit(flag_of(one, none))

    assert on_disk(kept) == {one.sha256: b"one", none.sha256: b""}
    assert kept.has(one)


def test_what_was_redacted_away_is_not_kept(staged, kept, source_of):
    """
    Of the files staged only those that the flag still has, wherever in it, reach the disk.
    """
    refs = [staged.put(source_of(name), name="x") for name in (b"a", b"b", b"c", b"d")]
    value = [Value(kind="file", data=ref) for ref in refs]

    staged.commit(
        make_flag(inputs={"x": value[0]}, outputs={"y": value[1]}, correction={"y": value[3]})
    )

    assert set(on_disk(kept).values()) == {b"a", b"b", b"d"}


def test_a_flag_without_files_keeps_none(staged, kept, source_of):
    """
    Where the flag has no file left, nothing is made on the disk at all.
    """
    staged.put(source_of(b"content"), name="x")

    staged.commit(flag_of())

    assert not kept.root.exists()


def test_one_file_more_than_once(staged, kept, source_of):
    """
    A file under two names, or staged twice, is kept once.
    """
    ref = staged.put(source_of(b"content"), name="a")
    again = staged.put(source_of(b"content"), name="b")

    staged.commit(flag_of(ref, again, replace(ref, name="[e-mail].png")))

    assert on_disk(kept) == {ref.sha256: b"content"}


def test_a_file_that_the_store_has_already(staged, kept, source_of):
    """
    A reference to what was kept before needs no staging: commit leaves it as it is.
    """
    before = kept.put(io.BytesIO(b"before"), name="x")
    ref = staged.put(source_of(b"new"), name="y")

    staged.commit(flag_of(before, ref))

    assert on_disk(kept) == {before.sha256: b"before", ref.sha256: b"new"}


def test_what_is_staged_can_be_read(staged, kept, source_of):
    """
    Before commit a file is there to be opened, again and again, as one that is kept is.
    """
    before = kept.put(io.BytesIO(b"before"), name="x")
    ref = staged.put(source_of(b"content"), name="y")

    for _ in range(2):
        with staged.open(ref) as file:
            assert file.read() == b"content"
    with staged.open(before) as file:
        assert file.read() == b"before"
    assert (staged.has(ref), staged.has(before)) == (True, True)
    assert (kept.has(ref), kept.has(before)) == (False, True)


def test_what_nobody_put_is_not_there(staged):
    """
    A file neither staged nor kept is not here, and to open it is the error it is of any store.
    """
    ref = FileRef(sha256="0" * 64, name="x", size=1)

    assert staged.has(ref) is False
    with pytest.raises(FileNotFoundError):
        staged.open(ref)


@pytest.mark.parametrize("now", [b"changed", b"a longer content", b""])
def test_a_file_that_changes_before_commit_is_refused(staged, kept, tmp_path, now):
    """
    What was looked at is not what would be kept: a sentence, and not under the old hash.
    """
    path = tmp_path / "growing.mp4"
    path.write_bytes(b"content")
    ref = staged.put(path, name="growing.mp4")
    path.write_bytes(now)

    with pytest.raises(ChangingFileError, match=r"growing\.mp4.*modified while it was read"):
        staged.commit(flag_of(ref))

    assert not kept.has(ref)
    assert ref.sha256 not in on_disk(kept)


def test_a_file_that_goes_before_commit_is_refused(staged, kept, tmp_path):
    """
    A file deleted meanwhile is the store's error, and nothing is kept.
    """
    path = tmp_path / "gone.png"
    path.write_bytes(b"content")
    ref = staged.put(path, name="gone.png")
    path.unlink()

    with pytest.raises(StoreError, match=r"read a file for a flag from .*gone\.png: No such file"):
        staged.commit(flag_of(ref))

    assert on_disk(kept) == {}


def test_bytes_are_read_once(staged, kept):
    """
    What came from a reader is held: the reader may be closed, or gone, when it is kept.
    """
    reader = io.BytesIO(b"skipped, content")
    reader.seek(len(b"skipped, "))
    ref = staged.put(reader, name="x")
    reader.close()

    staged.commit(flag_of(ref))

    assert on_disk(kept) == {sha256_of(b"content"): b"content"}
    assert ref.size == 7


def test_the_source_is_left_alone(staged, tmp_path):
    """
    The person's file is read and stays where it was, before commit and after.
    """
    path = tmp_path / "upload"
    path.write_bytes(b"content")

    staged.commit(flag_of(staged.put(path, name="x")))

    assert path.read_bytes() == b"content"


def test_removal_and_sweep_are_the_stores(staged, kept):
    """
    To remove and to sweep is done where the files are kept.
    """
    one, two = (kept.put(io.BytesIO(content), name="x") for content in (b"one", b"two"))

    assert staged.sweep({one.sha256}, age=-1, dry_run=True) == {two.sha256: 3}
    assert staged.sweep({one.sha256}, age=-1) == {two.sha256: 3}
    assert on_disk(kept) == {one.sha256: b"one"}
    staged.remove([one.sha256])
    assert on_disk(kept) == {}
