"""
The manifest of an export: the query, the counts, the hash of each file, and one hash of all.

The latter is the version of the dataset: it is equal if every byte is. It is the SHA-256 of the
output of `sha256sum` for the files, sorted by path.
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
    """One file of an export: relative path, size in bytes, SHA-256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """
    The content of an export's `manifest.json`.

    `flags` is the number of flags that match the query, `rows` the number of rows written;
    `sha256` is the version of the dataset.
    """

    format: str
    query: str
    flags: int
    rows: int
    sha256: str
    files: tuple[ExportedFile, ...]


def make_manifest(folder: Path, *, format: str, query: str, flags: int, rows: int) -> Manifest:  # noqa: A002 - the word
    """Sync all files in *folder* to disk, and write its manifest."""
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
    """Return whether *folder* is empty or has a manifest of Flagstone."""
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
