"""
Content of a file editor: a value split into text, places and items, and joined again.

A place has one file or none; an item has a file and, in some kinds, a caption. Unchanged parts are
joined as they were, with all their data that no editor shows.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flagstone.core import codec
from flagstone.core.codec import FileRef
from flagstone.core.records import Value
from flagstone.review.values.media_types import UNKNOWN, media_of, type_of
from flagstone.review.values.presenter import argument_of

MOST_ITEMS = 300
_PICTURE = "data:image/"


@dataclass(frozen=True, slots=True)
class Part:
    """A file, or a picture within the value: a dict whose content is not checked."""

    data: Any

    def __post_init__(self) -> None:
        if not isinstance(self.data, FileRef | dict):
            raise TypeError("it is not a file")

    @property
    def key(self) -> str:
        """Return the hash of the file's bytes or of the dict, which identifies it in a page."""
        if isinstance(self.data, FileRef):
            return self.data.sha256
        return hashlib.sha256(codec.dumps(self.data).encode()).hexdigest()

    @property
    def name(self) -> str:
        """Return the file's name; empty for a dict."""
        return self.data.name if isinstance(self.data, FileRef) else ""

    @property
    def file(self) -> FileRef | None:
        """Return the file if it is a picture in the store, else None."""
        is_picture = isinstance(self.data, FileRef) and media_of(self.data) == "image"
        return self.data if is_picture else None

    @property
    def url(self) -> str | None:
        """Return the `data:` URL if the dict holds a picture, else None."""
        url = self.data.get("url") if isinstance(self.data, dict) else None
        return url if isinstance(url, str) and url.startswith(_PICTURE) else None

    @property
    def may_be_drawn_on(self) -> bool:
        """Whether it is a picture of pixels."""
        kind = type_of(self.file) if self.file else UNKNOWN
        return bool(self.url) or kind not in (UNKNOWN, "image/svg+xml")


@dataclass(frozen=True, slots=True)
class Item:
    """A part with its caption; *whole* is the value's own item, None for an added one."""

    part: Part
    caption: str | None = None
    whole: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.caption, str | None):
            raise TypeError("a caption must be text")


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """
    The *text*, *places* by name, and *items*; text and items are None if the kind has none.

    *captions* is the kind's word for a caption, *accept* the file types to offer.
    """

    text: str | None = None
    places: Mapping[str, Part | None] = field(default_factory=dict)
    items: tuple[Item, ...] | None = None
    captions: str = ""
    accept: str = ""


def parts_of(value: Value) -> Parts:
    """Split *value*. Raises `TypeError`, `LookupError` or similar if it does not match its kind."""
    parts = _TAKE[value.kind](value)
    if len(parts.items or ()) > MOST_ITEMS:
        raise ValueError("it has more files than a page can edit")
    return parts


def put_together(value: Value, parts: Parts) -> Any:
    """Return the data of *value* with its parts replaced by *parts*."""
    return value.data if parts == parts_of(value) else _PUT[value.kind](value.data, parts)


def _place(data: Any) -> Part | None:
    return None if data is None else Part(data)


def _data(part: Part | None) -> Any:
    return None if part is None else part.data


def _data_of(items: tuple[Item, ...] | None) -> list[Any]:
    return [item.part.data for item in items or ()]


def _listed(files: Any) -> tuple[Item, ...]:
    if not isinstance(files, list | tuple):
        raise TypeError("it is not a list of files")
    return tuple(Item(Part(file), whole=file) for file in files)


def _take_file(value: Value) -> Parts:
    accept = f"{value.kind}/*" if value.kind in ("audio", "image", "video") else ""
    several = value.data is None and argument_of(value, "file_count") in ("multiple", "directory")
    if several or isinstance(value.data, list | tuple):
        return Parts(items=_listed(value.data or []), accept=accept)
    if value.kind == "video" and isinstance(value.data, dict):
        return Parts(places={name: _place(value.data[name]) for name in ("video", "subtitles")})
    return Parts(places={"file": _place(value.data)}, accept=accept)


def _put_file(data: Any, parts: Parts) -> Any:
    if parts.items is not None:
        return _data_of(parts.items)
    if "video" in parts.places:
        return data | {name: _data(part) for name, part in parts.places.items()}
    return _data(parts.places["file"])


def _take_pair(value: Value) -> Parts:
    first, second = value.data or (None, None)
    return Parts(places={"first": _place(first), "second": _place(second)}, accept="image/*")


def _put_pair(data: Any, parts: Parts) -> Any:
    pair = map(_data, parts.places.values())
    return list(pair) if isinstance(data, list) else tuple(pair)


def _take_gallery(value: Value) -> Parts:
    items = tuple(
        Item(Part(each["image"] if "image" in each else each["video"]), each["caption"], each)
        for each in value.data or ()
    )
    return Parts(items=items, captions="caption", accept="image/*,video/*")


def _put_gallery(_: Any, parts: Parts) -> Any:
    return [_in_gallery(item) | {"caption": item.caption} for item in parts.items or ()]


def _in_gallery(item: Item) -> dict[str, Any]:
    if item.whole is not None:
        return dict(item.whole)
    file = item.part.data
    is_video = isinstance(file, FileRef) and media_of(file) == "video"
    return {"video" if is_video else "image": file}


def _take_annotated(value: Value) -> Parts:
    data = value.data or {"image": None, "annotations": []}
    items = tuple(Item(Part(each["image"]), each["label"], each) for each in data["annotations"])
    places = {"image": _place(data["image"])}
    return Parts(places=places, items=items, captions="label", accept="image/*")


def _put_annotated(data: Any, parts: Parts) -> Any:
    if parts.places["image"] is None:
        raise ValueError("it needs an image")
    annotations = [
        (item.whole or {}) | {"image": item.part.data, "label": item.caption or ""}
        for item in parts.items or ()
    ]
    return (data or {}) | {"image": parts.places["image"].data, "annotations": annotations}


def _take_drawing(value: Value) -> Parts:
    data = value.data or _NO_DRAWING
    places = {name: _place(data[name]) for name in ("background", "composite")}
    return Parts(places=places, items=_listed(data["layers"]), accept="image/*")


def _put_drawing(data: Any, parts: Parts) -> Any:
    places = {name: _data(part) for name, part in parts.places.items()}
    return (data or _NO_DRAWING) | places | {"layers": _data_of(parts.items)}


def _take_multimodal(value: Value) -> Parts:
    data = value.data or {"text": "", "files": []}
    if not isinstance(data["text"], str):
        raise TypeError("its text is not a string")
    return Parts(text=data["text"], items=_listed(data["files"]))


def _put_multimodal(data: Any, parts: Parts) -> Any:
    return (data or {}) | {"text": parts.text, "files": _data_of(parts.items)}


_NO_DRAWING: dict[str, Any] = {"background": None, "layers": [], "composite": None, "id": None}
_TAKE: dict[str, Callable[[Value], Parts]] = {
    "annotated_image": _take_annotated,
    "audio": _take_file,
    "file": _take_file,
    "gallery": _take_gallery,
    "image": _take_file,
    "image_editor": _take_drawing,
    "image_pair": _take_pair,
    "model3d": _take_file,
    "multimodal": _take_multimodal,
    "video": _take_file,
}
_PUT: dict[str, Callable[[Any, Parts], Any]] = {
    "annotated_image": _put_annotated,
    "audio": _put_file,
    "file": _put_file,
    "gallery": _put_gallery,
    "image": _put_file,
    "image_editor": _put_drawing,
    "image_pair": _put_pair,
    "model3d": _put_file,
    "multimodal": _put_multimodal,
    "video": _put_file,
}
