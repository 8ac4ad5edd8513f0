"""
The files of one column of a log that Gradio wrote.

Gradio keeps the files of a field in a folder of its own, named like the field. Only there is a file
looked for: a path that somebody typed in another field names no file.
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
"""Bytes of a file that is taken over."""

NO_FILE = "its file is not in the folder of the log"
NAMELESS = "Gradio 3 did not keep the name of its file"
POINTER = "its file is a pointer that Git left in its place: `git lfs pull` or `git annex get`"
TOO_LARGE = f"its file is larger than {megabytes(MAX_FILE_SIZE)}"

_MAX_JSON_LENGTH = MAX_FILE_SIZE >> 4  # in memory data takes many times as much
_MAX_PATH_LENGTH = 4096
_NOT_IN_PATHS = re.compile(r"^[\[{]|[\x00-\x1f]|://")
_MAX_POINTER_LENGTH = 1024
_POINTERS = (b"version https://git-lfs.github.com/spec/", b"/annex/objects/")
_HEX = r"[0-9a-f]{20}|[0-9a-f]{40}|[0-9a-f]{64}"
_BY_GRADIO = re.compile(rf"({_HEX})/[^/]+|[0-9a-f-]{{36}}|tmp\w{{8}}(\.\w+)?|\d+\.\w+")
"""Below a field's folder: of Gradio 3.28 and later; a gallery of 3; a file of 3.0; one of 2."""

_LIKE_A_PATH = re.compile(rf"(^|/)({_HEX})/[^/]+$")
_NAMED_BY_GRADIO_3 = re.compile(r"tmp\w{8}(\.\w+)?")
_FORBIDDEN_BY_6 = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f`$!{}]')
_MAX_LABEL_LENGTH = 200  # bytes
_CAPTIONS = "captions.json"


class Adopter(Protocol):
    """Who takes over files that stay where they are."""

    def adopt(self, path: Path) -> FileRef:
        """The file at *path* as a `FileRef`."""

    def note(self, path: Path) -> None:
        """Take note that the file at *path* is of the row that is being read."""


def folders_of(label: str) -> frozenset[str]:
    """What any version of Gradio called the folder of the field *label*."""
    by_3 = "".join(char for char in label if char.isalnum() or char in "._- ")
    by_6 = _FORBIDDEN_BY_6.sub("", label).rstrip(" .")
    names = {_cut(name) for name in (label, by_3, by_6)}
    return frozenset(names - {"", ".", ".."})


def looks_like_path(text: str) -> bool:
    """Whether *text* is the path of a file that Gradio kept, of any field."""
    return _parts(text) is not None and bool(_LIKE_A_PATH.search(text.replace("\\", "/")))


def folder_in(text: str) -> str | None:
    """The folder of a field in the path *text*, where it has one."""
    parts = _parts(text) if looks_like_path(text) else None
    return parts[-3] if parts and len(parts) > 2 else None  # noqa: PLR2004 - folder, hash, name


class ColumnFiles:
    """The files below *root* in one of *folders*, which *adopter* takes over."""

    def __init__(self, root: Path, folders: frozenset[str], adopter: Adopter) -> None:
        self._given = root
        self._folders = folders
        self._adopter = adopter

    def are_in(self, root: Path) -> "ColumnFiles":
        """The files of this column below *root*."""
        return self if root == self._given else ColumnFiles(root, self._folders, self._adopter)

    @cached_property
    def _root(self) -> Path:
        return self._given.resolve()

    def has(self, text: str) -> bool:
        """Whether *text* is the path of a file of this column, there or gone."""
        return self.find(text) is not None or any(
            _BY_GRADIO.fullmatch("/".join(below)) for _, below in self._places(text)
        )

    def find(self, text: str) -> Path | None:
        """The file, or the folder of a gallery, that the path *text* means, if it is there."""
        for folder, below in self._places(text):
            place = self._root.joinpath(folder, *below)
            try:
                # What is a link, or leads through one, is elsewhere.
                if place.resolve(strict=True) == place and _is_taken(place):
                    return place
            except (OSError, ValueError):
                continue
        return None

    def take(self, text: str) -> tuple[FileRef | None, str | None]:
        """The file that the path *text* means, or none; and what cannot be told of it."""
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
        """The data in the file *path*, which `find` gave or is in such a folder; None without."""
        self._adopter.note(path)
        if path.stat().st_size > _MAX_JSON_LENGTH:
            return None
        text = path.read_text(encoding="utf-8", errors="replace").strip()
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return None

    def take_all(self, data: dict[str, Any]) -> tuple[FileRef | None, str | None]:
        """The file of *data*, a FileData, under the name that the person gave it."""
        ref, doubt = self.take(str(data["path"]))
        name = data.get("orig_name")
        if ref is None or not isinstance(name, str) or not name:
            return ref, doubt
        return replace(ref, name=name.replace("\\", "/").rpartition("/")[2] or ref.name), None

    def _places(self, text: str) -> Iterable[tuple[str, list[str]]]:
        """Where the file may be that the path *text* meant where the demo ran."""
        parts = _parts(text) or []
        for n in reversed(range(len(parts) - 1)):
            below = parts[n + 1 :]
            if parts[n] in self._folders and not {"", ".", ".."} & set(below):
                yield parts[n], below


def _parts(text: str) -> list[str] | None:
    """The parts of the path *text*, of Windows or others; None where it is none."""
    is_path = len(text) < _MAX_PATH_LENGTH and not _NOT_IN_PATHS.search(text)
    return text.replace("\\", "/").split("/") if is_path else None


def _is_taken(place: Path) -> bool:
    mode = place.stat().st_mode
    return stat.S_ISREG(mode) or (stat.S_ISDIR(mode) and (place / _CAPTIONS).is_file())


def _cut(name: str) -> str:
    return name.encode(errors="surrogatepass")[:_MAX_LABEL_LENGTH].decode(errors="ignore")
