"""
A folder of images or audio with metadata, for `load_dataset("imagefolder")`.

`metadata.parquet` is the table. Its column `file_name` is the path of a flag's first file of that
kind. Flags without one are left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from flagstone.exporters.attachments import Media
from flagstone.exporters.columns import MEDIA, Batch, Column, Table
from flagstone.exporters.parquet import write_batches
from flagstone.exporters.source import FlagsInOrder

_METADATA = "metadata.parquet"
_FILE_NAME = Column(name="file_name", type="text")


def write_imagefolder(flags: FlagsInOrder, folder: Path) -> int:
    """Write those of *flags* that have an image to *folder*; return the number of rows."""
    return _write(flags, folder, "image")


def write_audiofolder(flags: FlagsInOrder, folder: Path) -> int:
    """Write those of *flags* that have audio to *folder*; return the number of rows."""
    return _write(flags, folder, "audio")


def _write(flags: FlagsInOrder, folder: Path, kind: Literal["image", "audio"]) -> int:
    media = Media(flags, folder)

    def write(table: Table) -> int:
        texts = [
            replace(column, type="text") if column.type in MEDIA else column
            for column in table.columns
        ]
        rows = _with_file_name(table.batches(), table.columns, kind)
        return write_batches(rows, [_FILE_NAME, *texts], media, folder / _METADATA)

    return Table(flags, media.place).write(write)


def _with_file_name(
    batches: Iterator[Batch], columns: Sequence[Column], kind: str
) -> Iterator[Batch]:
    """Yield the rows of *batches* that have a file of this *kind*, with its path first."""
    for batch in batches:
        media = [cells for cells, column in zip(batch, columns, strict=True) if column.type == kind]
        places = [next(filter(None, cells), None) for cells in zip(*media, strict=True)]
        rows = [row for row, place in enumerate(places) if place is not None]
        if rows:
            yield [[cells[row] for row in rows] for cells in (places, *batch)]
