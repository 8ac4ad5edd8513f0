"""
The data of a value as what a Python programmer works with: images, arrays, tables, paths.

What stands for a kind is what Gradio's own components take and give, so that a value fits where
it came from. Libraries are imported where a value needs them.
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
    """Where the bytes of a value's files are found."""

    def open(self, ref: FileRef) -> BinaryIO:
        """The bytes of *ref*."""

    def export(self, ref: FileRef, folder: Path) -> Path:
        """A copy of *ref* below *folder*, under its own name."""


class _NoFiles:
    """The files of a value that no store gave."""

    def open(self, ref: FileRef) -> BinaryIO:
        raise self._error(ref)

    def export(self, ref: FileRef, folder: Path) -> Path:  # noqa: ARG002
        raise self._error(ref)

    @staticmethod
    def _error(ref: FileRef) -> LookupError:
        return LookupError(f"the bytes of {ref.name!r} are in a store, and none gave this value")


NO_FILES: FilesOfValue = _NoFiles()


def as_python(kind: str, data: Any, files: FilesOfValue) -> Any:
    """
    The *data* of a value of this *kind*.

    Raises `UnreadableValueError` where the data is not what the kind says, `MissingExtraError`
    where a library is missing.
    """
    try:
        return None if data is None else _AS_PYTHON.get(kind, _with_paths)(data, files)
    except ModuleNotFoundError as error:
        raise MissingExtraError(asked=f"a value of kind {kind!r}", extra="media") from error
    except (LookupError, TypeError, AttributeError, ValueError, OSError) as error:
        raise UnreadableValueError(kind=kind, reason=str(error)) from error


def _with_paths(data: Any, files: FilesOfValue) -> Any:
    """*data* with a path for each file in it."""
    match data:
        case FileRef():
            return files.export(data, _folder())
        case dict():
            return {key: _with_paths(part, files) for key, part in data.items()}
        case list() | tuple():
            return type(data)(_with_paths(part, files) for part in data)
    return data


def _folder() -> Path:
    """Where copies of files lie until this process ends."""
    return _scratch(os.getpid()).path


@cache
def _scratch(pid: int) -> "Scratch":  # noqa: ARG001 - a fork has its own
    from flagstone.fs.tempdirs import Scratch

    return Scratch()


def _image(data: Any, files: FilesOfValue) -> Any:
    """A `PIL.Image`; the path of what PIL does not read, such as SVG."""
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
    """The image of a `data:` URL."""
    _, _, encoded = url.partition("base64,")
    return _loaded(io.BytesIO(base64.b64decode(encoded, validate=True)))


def _loaded(file: BinaryIO) -> Any:
    """The image in *file*, unless it has more pixels than PIL thinks safe."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            image.load()
            return image
    except Image.DecompressionBombError as error:
        raise ValueError(error) from error


def _audio(data: Any, files: FilesOfValue) -> Any:
    """
    The sample rate in Hz, and the samples: (samples,) or, for several channels, (samples, n).

    The path of what libsndfile does not read, such as AAC.
    """
    import soundfile

    try:
        with files.open(data) as file, soundfile.SoundFile(file) as sound:
            return sound.samplerate, sound.read(dtype=_SAMPLE_TYPES.get(sound.subtype, "int16"))
    except soundfile.LibsndfileError:
        return _with_paths(data, files)


_SAMPLE_TYPES = {"PCM_24": "int32", "PCM_32": "int32", "FLOAT": "float32", "DOUBLE": "float64"}


def _video(data: Any, files: FilesOfValue) -> Any:
    """The path of the video; with subtitles, as Gradio 4 has them, the paths of both."""
    if isinstance(data, FileRef):
        return _with_paths(data, files)
    video, subtitles = _with_paths(data["video"], files), _with_paths(data["subtitles"], files)
    return video if subtitles is None else (video, subtitles)


def _gallery(data: Any, files: FilesOfValue) -> list[tuple[Any, str | None]]:
    """Images, or paths of videos, with their captions."""
    return [
        (
            _image(item["image"], files) if "image" in item else _with_paths(item["video"], files),
            item["caption"],
        )
        for item in data
    ]


def _annotated_image(data: Any, files: FilesOfValue) -> tuple[Any, list[tuple[Any, str]]]:
    """The image, and its masks with their labels."""
    masks = [(_image(item["image"], files), item["label"]) for item in data["annotations"]]
    return _image(data["image"], files), masks


def _image_editor(data: Any, files: FilesOfValue) -> dict[str, Any]:
    return {
        "background": _image(data["background"], files),
        "layers": [_image(layer, files) for layer in data["layers"]],
        "composite": _image(data["composite"], files),
    }


def _label(data: Any, _: FilesOfValue) -> Any:
    """Confidences by label or, where there are none, the label."""
    if not data["confidences"]:
        return data["label"]
    return {part["label"]: part["confidence"] for part in data["confidences"]}


def _table(data: Any, _: FilesOfValue) -> Any:
    return _frame(data["data"], data["headers"])


def _frame(rows: Any, columns: Any) -> Any:
    import pandas as pd

    return pd.DataFrame(rows, columns=columns)


def _plot(data: Any, _: FilesOfValue) -> Any:
    """The table behind a native plot; else a picture or, as a dict, the plot's specification."""
    if "columns" in data:
        return _frame(data["data"], data["columns"])
    return (
        _inline_image(data["plot"]) if data["type"] == "matplotlib" else orjson.loads(data["plot"])
    )


def _datetime(data: Any, _: FilesOfValue) -> Any:
    """A `datetime`; what is none, such as "now - 1d", as it is."""
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
