"""
Export flags: as a table, as a dataset, or as what other tools import.

Two exports of the same records are the same bytes, whatever store they are in; the manifest beside
them says which. All of an export is there, or nothing.
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
"""What is called meanwhile, with how many flags were looked at, and of how many."""

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
"""The module and the function that write a format."""


def export(
    store: Store,
    out: str | Path,
    *,
    query: Query | None = None,
    format: Format = "parquet",  # noqa: A002 - the word
    progress: Progress | None = None,
) -> Manifest:
    """
    Write the flags of *store* that *query* asks for to the folder *out*, oldest first.

    Its `order`, `limit` and `after` do not matter. An export that is there is replaced. Raises
    `UnknownFormatError`, `ForeignFolderError` where *out* is something else,
    `NothingToExportError` where no flag would be in it, `MissingExtraError` where a library is
    missing, and `StoreError`; then *out* is as it was. A flag that cannot be read, or whose file is
    gone or damaged, is passed over, and noted in `store.skipped`.
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
                flags.pass_over_damaged_files()
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
    """Make the folder *part* the folder *out*; the export that may be there goes to *before*."""
    if out.exists():
        out.rename(before)
    try:
        part.rename(out)
    except OSError:
        if before.exists():
            before.rename(out)
        raise
    sync_directory(out.parent)
