"""
A component's payload, as the page posts it, as a `Value`; its files kept on the way.

A payload comes from a browser, so it may say anything. Only what the component's own data model
calls a file is one, and only a file that the demo took in, by upload or as an output, is read.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradio.components import Component
from gradio.data_classes import JsonData
from gradio.utils import get_upload_folder
from pydantic import BaseModel, ValidationError

from flagstone.codec import FileRef
from flagstone.errors import ForeignFileError, UnkeepableValueError
from flagstone.files import Files
from flagstone.record import Value

_KINDS = {
    "AnnotatedImage": "annotated_image",
    "Audio": "audio",
    "Chatbot": "chat",
    "Checkbox": "boolean",
    "CheckboxGroup": "choices",
    "Code": "code",
    "ColorPicker": "color",
    "Dataframe": "table",
    "DateTime": "datetime",
    "Dropdown": "choice",
    "File": "file",
    "FileExplorer": "paths",
    "Gallery": "gallery",
    "HTML": "html",
    "HighlightedText": "highlighted_text",
    "Image": "image",
    "ImageEditor": "image_editor",
    "ImageSlider": "image_pair",
    "JSON": "json",
    "Label": "label",
    "Markdown": "markdown",
    "Model3D": "model3d",
    "MultimodalTextbox": "multimodal",
    "NativePlot": "plot",
    "Number": "number",
    "Plot": "plot",
    "Radio": "choice",
    "Slider": "number",
    "State": "state",
    "Textbox": "text",
    "UploadButton": "file",
    "DownloadButton": "file",
    "Video": "video",
}


def to_value(
    component: Component,
    payload: Any,
    *,
    field: str,
    description: Mapping[str, Any],
    files: Files,
) -> Value:
    """
    What *component* held, with its files put in *files*.

    Raises `RefusedError` for what cannot be kept as it is, `StoreError` where a file cannot.
    """
    data = _plain(component, payload, field)
    if _holds_files(component):
        data = _keep_files(data, component, field, files)
    return Value(kind=kind_of(component), data=data, component=description)


def kind_of(component: Component) -> str:
    """What the value of *component* is to a person: the kind of the nearest class we know."""
    names = (base.__name__ for base in type(component).__mro__)
    return next((_KINDS[name] for name in names if name in _KINDS), "json")


def _plain(component: Component, payload: Any, field: str) -> Any:
    if payload is None or _is_update(payload):
        return payload
    model = component.data_model
    if model is not None and not isinstance(payload, BaseModel):
        try:
            payload = model.from_json(payload)
        except (ValidationError, TypeError) as error:
            reason = f"it is not what a {type(component).__name__} holds"
            raise UnkeepableValueError(where=f"field {field!r}", reason=reason) from error
    return payload.model_dump() if isinstance(payload, BaseModel) else payload


def _is_update(payload: Any) -> bool:
    return isinstance(payload, dict) and payload.get("__type__") == "update"


def _holds_files(component: Component) -> bool:
    # JSON and State may hold a dict that looks like a file: it is data all the same.
    return component.data_model is not None and not issubclass(component.data_model, JsonData)


def _keep_files(data: Any, component: Component, field: str, files: Files) -> Any:
    if isinstance(data, dict):
        if isinstance(data.get("path"), str) and _is_file_data(data):
            return _keep_file(data, component, field, files)
        return {key: _keep_files(part, component, field, files) for key, part in data.items()}
    if isinstance(data, list | tuple):
        return [_keep_files(part, component, field, files) for part in data]
    return data


def _is_file_data(data: dict[str, Any]) -> bool:
    meta = data.get("meta")
    return isinstance(meta, dict) and meta.get("_type") == "gradio.FileData"


def _keep_file(data: dict[str, Any], component: Component, field: str, files: Files) -> FileRef:
    path = data["path"]
    try:
        real = Path(path).resolve(strict=True)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise ForeignFileError(field=field, path=path, reason="there is no such file") from error
    if data.get("is_stream"):
        raise ForeignFileError(field=field, path=path, reason="it is a stream, not a file")
    if not any(real.is_relative_to(root) for root in _roots(component)):
        raise ForeignFileError(field=field, path=path, reason="the demo never took it in")
    if not real.is_file():
        raise ForeignFileError(field=field, path=path, reason="it is not a regular file")
    name = data.get("orig_name") or real.name
    return files.put(real, name=name, mime_type=data.get("mime_type"))


def _roots(component: Component) -> list[Path]:
    """Where Gradio puts what was uploaded and what functions returned."""
    return [Path(place).resolve() for place in (get_upload_folder(), component.GRADIO_CACHE)]
