"""
Export flags as a table, a dataset, or files for other tools.

Exports of the same records are byte-identical, whatever their store; the hash in the manifest
identifies them. An export is complete or absent.
"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Literal

from flagstone.core.query import Query
from flagstone.core.query_syntax import format_query
from flagstone.errors import (
    DamagedFileError,
    ForeignFolderError,
    MissingExtraError,
    NothingToExportError,
    UnknownFormatError,
    store_error,
)
from flagstone.exporters.manifest import Manifest, is_export, make_manifest
from flagstone.exporters.source import FlagsInOrder
from flagstone.fs.atomic import sync_directory
from flagstone.fs.tempdirs import scratch_in
from flagstone.stores.base import Store

Format = Literal[
    "parquet",
    "jsonl",
    "csv",
    "imagefolder",
    "audiofolder",
    "datasets",
    "preference",
    "chat",
    "label-studio",
    "argilla",
]

Progress = Callable[[int, int], None]
"""Progress callback; receives the number of flags read and the total."""

_WRITERS: dict[str, tuple[str, str]] = {
    "parquet": ("parquet", "write_parquet"),
    "jsonl": ("jsonl", "write_jsonl"),
    "csv": ("csv", "write_csv"),
    "imagefolder": ("media_folder", "write_imagefolder"),
    "audiofolder": ("media_folder", "write_audiofolder"),
    "datasets": ("hf_dataset", "write_repository"),
    "preference": ("fine_tuning", "write_preference"),
    "chat": ("fine_tuning", "write_chat"),
    "label-studio": ("label_studio", "write_label_studio"),
    "argilla": ("argilla", "write_argilla"),
}
"""Module and function that write each format."""


def export(
    store: Store,
    out: str | Path,
    *,
    query: Query | None = None,
    format: Format = "parquet",  # noqa: A002 - the word
    progress: Progress | None = None,
) -> Manifest:
    """
    Write the flags of *store* that match *query* to the folder *out*, oldest first.

    `order`, `limit` and `after` of the query are ignored. An existing export is replaced. A flag
    that cannot be read, or whose file is missing or damaged, is skipped and added to
    `store.skipped`.

    Raises `UnknownFormatError`, `ForeignFolderError` if *out* is something else,
    `NothingToExportError` if no flag would be exported, `MissingExtraError` if a library is
    missing, and `StoreError`. Then *out* does not change.
    """
    out = Path(out).absolute()
    write = _writer_of(format)
    query = replace(query or Query(), order="newest", limit=None, after=None)
    if out.exists() and not is_export(out):
        raise ForeignFolderError(where=str(out))
    try:
        with scratch_in(out.parent) as scratch:
            part = scratch / "export"
            part.mkdir()
            flags = FlagsInOrder(store, query, scratch / "flags.db", progress)
            try:
                rows = write(flags, part)
            except DamagedFileError:
                flags.skip_damaged_files()
                shutil.rmtree(part)
                part.mkdir()
                rows = write(flags, part)
            if not rows:
                found = sum(map(len, flags.batches()))
                raise NothingToExportError(where=store.location, format=format, flags=found)
            manifest = make_manifest(
                part, format=format, query=format_query(query), flags=flags.found, rows=rows
            )
            _put(part, out, scratch / "before")
    except OSError as error:
        raise store_error(error, doing="export to", where=str(out)) from error
    return manifest


def _writer_of(format: str) -> Callable[[FlagsInOrder, Path], int]:  # noqa: A002 - the word
    if format not in _WRITERS:
        raise UnknownFormatError(format=format, formats=list(_WRITERS))
    module, name = _WRITERS[format]
    try:
        writer: Callable[[FlagsInOrder, Path], int] = getattr(
            import_module(f"flagstone.exporters.{module}"), name
        )
    except ImportError as error:
        raise MissingExtraError(asked=f"the format {format}", extra="parquet") from error
    return writer


def _put(part: Path, out: Path, before: Path) -> None:
    """Rename the folder *part* to *out*; an existing export moves to *before*."""
    if out.exists():
        out.rename(before)
    try:
        part.rename(out)
    except OSError:
        if before.exists():
            before.rename(out)
        raise
    sync_directory(out.parent)
