"""
What an export is: the query, the counts, the hash of each file, and one hash of them all.

The one hash is the version of the dataset: equal where every byte is. It is the SHA-256 of what
`sha256sum` prints for the files, in the order of their paths.
"""

import hashlib
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from flagstone.fs.atomic import hash_of, sync_directory

MANIFEST = "manifest.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportedFile:
    """One file of an export: its path within it, its size in bytes, its SHA-256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """
    What an export is, as its `manifest.json` says it.

    `flags` is how many flags the query asked for, `rows` how many rows were made of them; `sha256`
    is the version of the dataset.
    """

    format: str
    query: str
    flags: int
    rows: int
    sha256: str
    files: tuple[ExportedFile, ...]


def make_manifest(folder: Path, *, format: str, query: str, flags: int, rows: int) -> Manifest:  # noqa: A002 - the word
    """Make all in *folder* durable, and put its manifest there."""
    digest = hashlib.sha256()
    files = []
    for path in sorted(_files_in(folder), key=lambda path: path.relative_to(folder).as_posix()):
        file = _durable(path, folder)
        digest.update(f"{file.sha256}  {file.path}\n".encode())
        files.append(file)
    manifest = Manifest(
        format=format,
        query=query,
        flags=flags,
        rows=rows,
        sha256=digest.hexdigest(),
        files=tuple(files),
    )
    text = orjson.dumps({"flagstone_export": 1, **asdict(manifest)}, option=orjson.OPT_INDENT_2)
    (folder / MANIFEST).write_bytes(text + b"\n")
    _durable(folder / MANIFEST, folder)
    for directory, _, _ in os.walk(folder):
        sync_directory(Path(directory))
    return manifest


def is_export(folder: Path) -> bool:
    """Whether *folder* is an export of ours, as its manifest says, or empty."""
    try:
        content = orjson.loads((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        return folder.is_dir() and not any(folder.iterdir())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and "flagstone_export" in content


def _files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _durable(path: Path, folder: Path) -> ExportedFile:
    with path.open("rb") as file:
        sha256 = hash_of(file)
        os.fsync(file.fileno())
    place = path.relative_to(folder).as_posix()
    return ExportedFile(path=place, size=path.stat().st_size, sha256=sha256)
