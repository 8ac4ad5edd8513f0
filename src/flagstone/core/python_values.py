"""
Convert the data of values to Python objects: images, arrays, tables, paths.

Each kind becomes the type that Gradio's components accept and return. Libraries are imported when a
value needs them.
"""

import base64
import io
import os
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import orjson

from flagstone.core.codec import FileRef
from flagstone.errors import MissingExtraError, UnreadableValueError

if TYPE_CHECKING:
    from flagstone.fs.tempdirs import Scratch


class FilesOfValue(Protocol):
    """Access to the content of the files of a value."""

    def open(self, ref: FileRef) -> BinaryIO:
        """Open the content of *ref*."""

    def export(self, ref: FileRef, folder: Path) -> Path:
        """Copy *ref* into *folder* under its own name; return the path."""


class _NoFiles:
    """The files of a value that was not read from a store."""

    def open(self, ref: FileRef) -> BinaryIO:
        raise self._error(ref)

    def export(self, ref: FileRef, folder: Path) -> Path:  # noqa: ARG002
        raise self._error(ref)

    @staticmethod
    def _error(ref: FileRef) -> LookupError:
        return LookupError(
            f"the file {ref.name!r} is in a store, and the value was not read from one"
        )


NO_FILES: FilesOfValue = _NoFiles()


def as_python(kind: str, data: Any, files: FilesOfValue) -> Any:
    """
    Convert the *data* of a value of this *kind*.

    Raises `UnreadableValueError` if the data does not match the kind, `MissingExtraError` if a
    library is missing.
    """
    try:
        return None if data is None else _AS_PYTHON.get(kind, _with_paths)(data, files)
    except ModuleNotFoundError as error:
        raise MissingExtraError(asked=f"a value of kind {kind!r}", extra="media") from error
    except (LookupError, TypeError, AttributeError, ValueError, OSError) as error:
        raise UnreadableValueError(kind=kind, reason=str(error)) from error


def _with_paths(data: Any, files: FilesOfValue) -> Any:
    """Return *data* with each file replaced by the path of a copy."""
    match data:
        case FileRef():
            return files.export(data, _folder())
        case dict():
            return {key: _with_paths(part, files) for key, part in data.items()}
        case list() | tuple():
            return type(data)(_with_paths(part, files) for part in data)
    return data


def _folder() -> Path:
    """Return the folder for copies of files, deleted when this process ends."""
    return _scratch(os.getpid()).path


@cache
def _scratch(pid: int) -> "Scratch":  # noqa: ARG001 - a fork has its own
    from flagstone.fs.tempdirs import Scratch

    return Scratch()


def _image(data: Any, files: FilesOfValue) -> Any:
    """Return a `PIL.Image`, or a path for formats that PIL does not support, such as SVG."""
    from PIL import UnidentifiedImageError

    if data is None:
        return None
    if not isinstance(data, FileRef):
        return _inline_image(data["url"])
    try:
        with files.open(data) as file:
            return _loaded(file)
    except UnidentifiedImageError:
        return _with_paths(data, files)


def _inline_image(url: str) -> Any:
    """Return the image in a `data:` URL."""
    _, _, encoded = url.partition("base64,")
    return _loaded(io.BytesIO(base64.b64decode(encoded, validate=True)))


def _loaded(file: BinaryIO) -> Any:
    """Load the image in *file*. Raises `ValueError` above the safe pixel limit of PIL."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            image.load()
            return image
    except Image.DecompressionBombError as error:
        raise ValueError(error) from error


def _audio(data: Any, files: FilesOfValue) -> Any:
    """
    Return the sample rate in Hz and an array of shape (samples,) or (samples, channels).

    Return a path for formats that libsndfile does not support, such as AAC.
    """
    import soundfile

    try:
        with files.open(data) as file, soundfile.SoundFile(file) as sound:
            return sound.samplerate, sound.read(dtype=_SAMPLE_TYPES.get(sound.subtype, "int16"))
    except soundfile.LibsndfileError:
        return _with_paths(data, files)


_SAMPLE_TYPES = {"PCM_24": "int32", "PCM_32": "int32", "FLOAT": "float32", "DOUBLE": "float64"}


def _video(data: Any, files: FilesOfValue) -> Any:
    """Return the path of the video; with subtitles (Gradio 4), the paths of both."""
    if isinstance(data, FileRef):
        return _with_paths(data, files)
    video, subtitles = _with_paths(data["video"], files), _with_paths(data["subtitles"], files)
    return video if subtitles is None else (video, subtitles)


def _gallery(data: Any, files: FilesOfValue) -> list[tuple[Any, str | None]]:
    """Return images, or paths of videos, with their captions."""
    return [
        (
            _image(item["image"], files) if "image" in item else _with_paths(item["video"], files),
            item["caption"],
        )
        for item in data
    ]


def _annotated_image(data: Any, files: FilesOfValue) -> tuple[Any, list[tuple[Any, str]]]:
    """Return the image, and its masks with their labels."""
    masks = [(_image(item["image"], files), item["label"]) for item in data["annotations"]]
    return _image(data["image"], files), masks


def _image_editor(data: Any, files: FilesOfValue) -> dict[str, Any]:
    return {
        "background": _image(data["background"], files),
        "layers": [_image(layer, files) for layer in data["layers"]],
        "composite": _image(data["composite"], files),
    }


def _label(data: Any, _: FilesOfValue) -> Any:
    """Return confidences by label or, if there are none, the label."""
    if not data["confidences"]:
        return data["label"]
    return {part["label"]: part["confidence"] for part in data["confidences"]}


def _table(data: Any, _: FilesOfValue) -> Any:
    return _frame(data["data"], data["headers"])


def _frame(rows: Any, columns: Any) -> Any:
    import pandas as pd

    return pd.DataFrame(rows, columns=columns)


def _plot(data: Any, _: FilesOfValue) -> Any:
    """Return the table of a native plot, a picture, or the plot specification as a dict."""
    if "columns" in data:
        return _frame(data["data"], data["columns"])
    return (
        _inline_image(data["plot"]) if data["type"] == "matplotlib" else orjson.loads(data["plot"])
    )


def _datetime(data: Any, _: FilesOfValue) -> Any:
    """Return a `datetime`; other text, such as "now - 1d", is returned unchanged."""
    try:
        return datetime.fromisoformat(data)
    except (TypeError, ValueError):
        return data


_AS_PYTHON: dict[str, Callable[[Any, FilesOfValue], Any]] = {
    "annotated_image": _annotated_image,
    "audio": _audio,
    "datetime": _datetime,
    "gallery": _gallery,
    "highlighted_text": lambda data, _: [(p["token"], p["class_or_confidence"]) for p in data],
    "image": _image,
    "image_editor": _image_editor,
    "image_pair": lambda data, files: tuple(_image(part, files) for part in data),
    "label": _label,
    "plot": _plot,
    "table": _table,
    "video": _video,
}
