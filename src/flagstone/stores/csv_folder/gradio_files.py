"""
The files of one column of a log that Gradio wrote.

Gradio stores the files of each field in a folder named like the field. Files are searched only
there: a path that a visitor typed in another field does not refer to a file.
"""

import json
import re
import stat
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from flagstone.core.codec import FileRef
from flagstone.errors import megabytes

MAX_FILE_SIZE = 1 << 30
"""Maximum size in bytes of an imported file."""

NO_FILE = "its file is not in the folder of the log"
NAMELESS = "Gradio 3 did not save the name of its file"
POINTER = "its file is only a Git pointer: run `git lfs pull` or `git annex get`"
TOO_LARGE = f"its file is larger than {megabytes(MAX_FILE_SIZE)}"

_MAX_JSON_LENGTH = MAX_FILE_SIZE >> 4  # parsed data takes many times as much memory
_MAX_PATH_LENGTH = 4096
_NOT_IN_PATHS = re.compile(r"^[\[{]|[\x00-\x1f]|://")
_MAX_POINTER_LENGTH = 1024
_POINTERS = (b"version https://git-lfs.github.com/spec/", b"/annex/objects/")
_HEX = r"[0-9a-f]{20}|[0-9a-f]{40}|[0-9a-f]{64}"
_BY_GRADIO = re.compile(rf"({_HEX})/[^/]+|[0-9a-f-]{{36}}|tmp\w{{8}}(\.\w+)?|\d+\.\w+")
"""Paths in a field's folder: Gradio 3.28 and later; a gallery in 3; a file in 3.0; one in 2."""

_LIKE_A_PATH = re.compile(rf"(^|/)({_HEX})/[^/]+$")
_NAMED_BY_GRADIO_3 = re.compile(r"tmp\w{8}(\.\w+)?")
_FORBIDDEN_BY_6 = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f`$!{}]')
_MAX_LABEL_LENGTH = 200  # bytes
_CAPTIONS = "captions.json"


class Adopter(Protocol):
    """Imports files that stay where they are."""

    def adopt(self, path: Path) -> FileRef:
        """Return the file at *path* as a `FileRef`."""

    def note(self, path: Path) -> None:
        """Record that the file at *path* belongs to the row that is being read."""


def folders_of(label: str) -> frozenset[str]:
    """Return the folder names that any version of Gradio uses for the field *label*."""
    by_3 = "".join(char for char in label if char.isalnum() or char in "._- ")
    by_6 = _FORBIDDEN_BY_6.sub("", label).rstrip(" .")
    names = {_cut(name) for name in (label, by_3, by_6)}
    return frozenset(names - {"", ".", ".."})


def looks_like_path(text: str) -> bool:
    """Whether *text* looks like the path of a file that Gradio stored, in any field."""
    return _parts(text) is not None and bool(_LIKE_A_PATH.search(text.replace("\\", "/")))


def folder_in(text: str) -> str | None:
    """Return the folder of a field in the path *text*, or None."""
    parts = _parts(text) if looks_like_path(text) else None
    return parts[-3] if parts and len(parts) > 2 else None  # noqa: PLR2004 - folder, hash, name


class ColumnFiles:
    """The files below *root* in one of *folders*, imported by *adopter*."""

    def __init__(self, root: Path, folders: frozenset[str], adopter: Adopter) -> None:
        self._given = root
        self._folders = folders
        self._adopter = adopter

    def are_in(self, root: Path) -> "ColumnFiles":
        """Return the files of this column below *root*."""
        return self if root == self._given else ColumnFiles(root, self._folders, self._adopter)

    @cached_property
    def _root(self) -> Path:
        return self._given.resolve()

    def has(self, text: str) -> bool:
        """Whether *text* is the path of a file of this column, even if the file is missing."""
        return self.find(text) is not None or any(
            _BY_GRADIO.fullmatch("/".join(below)) for _, below in self._places(text)
        )

    def find(self, text: str) -> Path | None:
        """Return the file, or the folder of a gallery, at the path *text*, if it exists."""
        for folder, below in self._places(text):
            place = self._root.joinpath(folder, *below)
            try:
                # Links, and paths through links, are not followed.
                if place.resolve(strict=True) == place and _is_taken(place):
                    return place
            except (OSError, ValueError):
                continue
        return None

    def take(self, text: str) -> tuple[FileRef | None, str | None]:
        """Return the file at the path *text*, or None, and what is in doubt about it."""
        path = self.find(text)
        if path is None or path.is_dir():
            return None, NO_FILE
        self._adopter.note(path)
        size = path.stat().st_size
        if size > MAX_FILE_SIZE:
            return None, TOO_LARGE
        if size <= _MAX_POINTER_LENGTH and path.read_bytes().startswith(_POINTERS):
            return None, POINTER
        ref = self._adopter.adopt(path)
        is_nameless = _NAMED_BY_GRADIO_3.fullmatch(ref.name) or path.parent.name in self._folders
        return ref, NAMELESS if is_nameless else None

    def read_json(self, path: Path) -> Any:
        """Return the JSON data in the file *path* (see `find`), or None if it has none."""
        self._adopter.note(path)
        if path.stat().st_size > _MAX_JSON_LENGTH:
            return None
        text = path.read_text(encoding="utf-8", errors="replace").strip()
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return None

    def take_all(self, data: dict[str, Any]) -> tuple[FileRef | None, str | None]:
        """Return the file of *data*, a FileData, with its original name, and any doubt."""
        ref, doubt = self.take(str(data["path"]))
        name = data.get("orig_name")
        if ref is None or not isinstance(name, str) or not name:
            return ref, doubt
        return replace(ref, name=name.replace("\\", "/").rpartition("/")[2] or ref.name), None

    def _places(self, text: str) -> Iterable[tuple[str, list[str]]]:
        """Yield where the file may be: *text* is a path on the machine where the demo ran."""
        parts = _parts(text) or []
        for n in reversed(range(len(parts) - 1)):
            below = parts[n + 1 :]
            if parts[n] in self._folders and not {"", ".", ".."} & set(below):
                yield parts[n], below


def _parts(text: str) -> list[str] | None:
    """Return the parts of the path *text*, with either separator; None if it is not a path."""
    is_path = len(text) < _MAX_PATH_LENGTH and not _NOT_IN_PATHS.search(text)
    return text.replace("\\", "/").split("/") if is_path else None


def _is_taken(place: Path) -> bool:
    mode = place.stat().st_mode
    return stat.S_ISREG(mode) or (stat.S_ISDIR(mode) and (place / _CAPTIONS).is_file())


def _cut(name: str) -> str:
    return name.encode(errors="surrogatepass")[:_MAX_LABEL_LENGTH].decode(errors="ignore")
