"""
Convert a component's payload, as the page posts it, to a `Value`, and back.

A payload comes from a browser and is not trusted. Only what the component's data model declares as
a file is treated as a file, and only uploads and outputs of the demo are read. A value may come
from an untrusted store: only files that the store contains are passed on.
"""

import io
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from gradio.components import Component
from gradio.utils import get_upload_folder
from pydantic import BaseModel, ValidationError

from flagstone.core.codec import FileRef
from flagstone.core.records import Value
from flagstone.errors import (
    UnreadableValueError,
    UnserializableValueError,
    UntrustedFileError,
    WrongPayloadError,
)
from flagstone.gradio.payloads.kinds import kind_of
from flagstone.gradio.payloads.preprocessed import find_preprocessed, is_disguised
from flagstone.gradio.payloads.server_side import held_drawing, held_stream
from flagstone.stores.files import Files


def to_value(
    component: Component,
    payload: Any,
    *,
    field: str,
    description: Mapping[str, Any],
    files: Files,
) -> Value:
    """
    Return *payload* of *component* as a `Value`; save its files in *files*.

    Raises `RejectedFlagError` if it cannot be saved exactly, `StoreError` if a file cannot be
    saved.
    """
    if is_update(payload):  # changes the component, not its value; saved as it is
        return Value(kind="json", data=payload, component=description, files=files)
    try:
        if is_disguised(component, payload):
            raise _not_its_value(component)
        data = as_plain(component, payload)
    except _NotItsValueError as error:
        raise WrongPayloadError(
            field=field,
            component=type(component).__name__,
            found=find_preprocessed(payload, _roots(component)),
        ) from error
    if hasattr(component, "blob_storage"):
        data = _keep_drawing(data, component, field, files)
    if component.data_model is not None:  # without a model, what looks like a file is data
        data = _keep_files(data, component, field, files)
    try:
        return Value(kind=kind_of(component), data=data, component=description, files=files)
    except UnserializableValueError as error:
        where = f"field {field!r}{error.location.removeprefix('data')}"
        raise UnserializableValueError(where=where, reason=error.reason) from error


def to_payload(value: Value, component: Component) -> Any:
    """
    Return the payload with which *component* shows *value*: the input of `component.preprocess`,
    or the result of a function with `postprocess=False`.

    Files are copied to the folder from which Gradio serves files. Raises `UnreadableValueError` if
    the value does not fit the component.
    """
    if value.data is None or is_update(value.data):
        return None
    served: set[str] = set()
    payload = _with_served_files(value, value.data, Path(component.GRADIO_CACHE), served)
    paths = set(_paths_in(payload, needs_mark=component.data_model is None))
    if not paths <= served:  # the component would read them, and Gradio would serve them
        raise UnreadableValueError(kind=value.kind, reason="it names a file that its store lacks")
    try:
        return _as_model(component, payload)
    except _NotItsValueError as error:
        raise UnreadableValueError(kind=value.kind, reason=str(error)) from error


class _NotItsValueError(ValueError):
    """A payload does not fit its component's data model."""


def _as_model(component: Component, payload: Any) -> Any:
    """Return *payload* as an instance of the data model of *component*, if it has one."""
    model = component.data_model
    if model is None or payload is None or isinstance(payload, BaseModel):
        return payload
    try:
        return model.from_json(payload)
    except (ValidationError, TypeError) as error:
        raise _not_its_value(component) from error


def _not_its_value(component: Component) -> _NotItsValueError:
    return _NotItsValueError(f"it is not what a {type(component).__name__} holds")


def as_plain(component: Component, payload: Any) -> Any:
    """
    Return *payload* of *component* as plain data, with all keys of its data model.

    Raises `ValueError` if it is not a value of such a component.
    """
    payload = _as_model(component, payload)
    return payload.model_dump() if isinstance(payload, BaseModel) else payload


def as_sent(data: Any, *, streamed: bool = False) -> Any:
    """
    Return a copy of *data* as Gradio sends it to a page, except for numbers JSON cannot represent.

    Other types are converted as Gradio does: a model to its fields, a NumPy number to a number, or
    to text if *streamed*, anything else to text.
    """
    match data:
        case BaseModel():
            return as_sent(data.model_dump(), streamed=streamed)
        case dict():
            return {str(key): as_sent(part, streamed=streamed) for key, part in data.items()}
        case list() | tuple():
            return [as_sent(part, streamed=streamed) for part in data]
    return data if type(data) in _SENT_AS_IT_IS else _rendered(data, streamed=streamed)


def differs_streamed(data: Any) -> bool:
    """Whether Gradio may stream *data* in another form than in a plain answer."""
    match data:
        case BaseModel():
            return differs_streamed(data.model_dump())
        case dict():
            return any(map(differs_streamed, data.values()))
        case list() | tuple():
            return any(map(differs_streamed, data))
    return type(data) not in _SENT_AS_IT_IS


_SENT_AS_IT_IS = frozenset([str, int, float, bool, type(None)])


def _rendered(data: Any, *, streamed: bool) -> Any:
    if isinstance(data, datetime):
        return data.isoformat() if type(data) is datetime else str(data)
    if isinstance(data, float) and not isinstance(data, Enum) and not streamed:
        return float(data)
    numbers = 0 if streamed else orjson.OPT_SERIALIZE_NUMPY
    option = numbers | orjson.OPT_PASSTHROUGH_DATETIME
    try:
        return orjson.loads(orjson.dumps(data, default=str, option=option))
    except orjson.JSONEncodeError:  # cannot be sent to a page, such as a lone surrogate
        return str(data)


def is_update(payload: Any) -> bool:
    """Whether Gradio would treat *payload* as a component update."""
    return isinstance(payload, dict) and "update" in str(payload.get("__type__"))


def _keep_drawing(data: Any, component: Component, field: str, files: Files) -> Any:
    """Return *data* of an ImageEditor with the images that it refers to by an id."""
    if data is None or data["id"] is None:
        return data
    drawing = held_drawing(component, data["id"])
    if drawing is None:
        if data["composite"] is None:
            reason = "the demo has no such drawing"
            raise UntrustedFileError(field=field, path=data["id"], reason=reason)
        return data | {"id": None}

    def keep(name: str, image: bytes | None) -> FileRef | None:
        if image is None:
            return None
        return files.put(io.BytesIO(image), name=f"{name}.png", mime_type="image/png")

    return {
        "background": keep("background", drawing.background),
        "layers": [keep("layer", layer) for layer in drawing.layers if layer is not None],
        "composite": keep("composite", drawing.composite),
        "id": None,
    }


def _keep_files(data: Any, component: Component, field: str, files: Files) -> Any:
    if isinstance(data, dict):
        if isinstance(data.get("path"), str):
            if is_file_data(data):
                return _keep_file(data, component, field, files)
            if type(component).__module__.startswith("gradio."):
                reason = "the page does not mark it as a file of the demo"
                raise UntrustedFileError(field=field, path=data["path"], reason=reason)
        return {key: _keep_files(part, component, field, files) for key, part in data.items()}
    if isinstance(data, list | tuple):
        return [_keep_files(part, component, field, files) for part in data]
    return data


def is_file_data(data: dict[str, Any]) -> bool:
    """Whether *data* is Gradio's representation of a file."""
    meta = data.get("meta")
    return isinstance(meta, dict) and meta.get("_type") == "gradio.FileData"


def _keep_file(data: dict[str, Any], component: Component, field: str, files: Files) -> FileRef:
    path, name = data["path"], data.get("orig_name")
    if data.get("is_stream"):
        found = held_stream(path)
        if found is None:
            reason = "the stream has not ended, or the demo does not have it"
            raise UntrustedFileError(field=field, path=path, reason=reason)
        path, name = str(found), found.name
    try:
        real = os.path.realpath(path, strict=True)  # Path.resolve takes three times as long
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise UntrustedFileError(field=field, path=path, reason="there is no such file") from error
    if not real.startswith(_roots(component)):
        raise UntrustedFileError(
            field=field, path=path, reason="it is neither an upload nor an output"
        )
    if not os.path.isfile(real):  # noqa: PTH113
        raise UntrustedFileError(field=field, path=path, reason="it is not a regular file")
    name = name or os.path.basename(real)  # noqa: PTH119
    return files.put(Path(real), name=name, mime_type=data.get("mime_type"))


def _roots(component: Component) -> tuple[str, ...]:
    """Return the folders of Gradio's uploads and of files returned by functions."""
    return _resolved(get_upload_folder()), _resolved(component.GRADIO_CACHE)


@cache
def _resolved(place: str) -> str:
    return f"{Path(place).resolve()}{os.sep}"


def _with_served_files(value: Value, data: Any, cache_dir: Path, served: set[str]) -> Any:
    """Return *data* with files copied to *cache_dir*, as FileData; add their paths to *served*."""
    match data:
        case FileRef():
            try:
                path = str(value.files.export(data, cache_dir))
            except (OSError, LookupError) as error:
                raise UnreadableValueError(kind=value.kind, reason=str(error)) from error
            served.add(path)
            return {
                "path": path,
                "url": None,
                "size": data.size,
                "orig_name": data.name,
                "mime_type": data.mime_type,
                "is_stream": False,
                "meta": {"_type": "gradio.FileData"},
            }
        case dict():
            return {
                key: _with_served_files(value, part, cache_dir, served)
                for key, part in data.items()
            }
        case list() | tuple():
            return type(data)(_with_served_files(value, part, cache_dir, served) for part in data)
    return data


def _paths_in(data: Any, *, needs_mark: bool) -> Iterator[str]:
    """Yield the path of everything in *data* that Gradio may treat as a file."""
    if isinstance(data, dict):
        if isinstance(data.get("path"), str) and (is_file_data(data) or not needs_mark):
            yield data["path"]
        for part in data.values():
            yield from _paths_in(part, needs_mark=needs_mark)
    elif isinstance(data, list | tuple):
        for part in data:
            yield from _paths_in(part, needs_mark=needs_mark)
