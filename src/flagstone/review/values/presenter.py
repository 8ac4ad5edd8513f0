"""
How a page shows a value: the shape that a template draws, and its data.

Records are untrusted, so a value's data may not match its kind. Such data is shown as a tree of
JSON; long data is cut.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from flagstone.core.codec import FileRef
from flagstone.core.records import Value
from flagstone.core.text import summarize
from flagstone.review.values import markdown
from flagstone.review.values.budget import size_of
from flagstone.review.values.charts import plot_of
from flagstone.review.values.js_libraries import has_library
from flagstone.review.values.js_plots import plot_in
from flagstone.review.values.media_types import media_of
from flagstone.review.values.model3d import can_show_models, is_model
from flagstone.review.values.tree import tree_of

MOST_TEXT = 20_000
_MAX_ROWS = 100
_MAX_COLUMNS = 30
_MAX_PARTS = 500
_BRIEF = 200
_MAX_SHOWN = 400_000
_COLOR = re.compile(r"#[0-9a-fA-F]{3,8}|rgba?\([\d., %]{3,40}\)")
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+")


@dataclass(frozen=True, slots=True)
class Shown:
    """A *part* that templates/values.html draws as *shape*; *kind* is the value's kind."""

    shape: str
    kind: str
    part: Any = None


def shown(value: Value) -> Shown:
    """Return *value* in the shape of its kind, or as a tree."""
    if value.data is None:
        return Shown("nothing", value.kind)
    try:
        shape, part = _SHAPES.get(value.kind, _tree)(value.data)
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError):
        shape, part = _tree(value.data)
    if size_of(part) > _MAX_SHOWN:
        shape, part = _tree(value.data)
    if shape == "code":
        part = part | {"language": argument_of(value, "language")}
    return Shown(shape, value.kind, part)


def brief(values: Mapping[str, Value]) -> str:
    """Return the beginning of *values* as text, for a line of the list."""
    texts = (summarize(value.data, _BRIEF) for value in values.values() if value.data is not None)
    return " · ".join(text for text in texts if text)[:_BRIEF]


def argument_of(value: Value, name: str) -> Any:
    """Return the argument *name* of the component of *value*; None if it is unknown."""
    arguments = (value.component or {}).get("arguments")
    return arguments.get(name) if isinstance(arguments, Mapping) else None


_Shape = tuple[str, Any]


def _tree(data: Any) -> _Shape:
    return "tree", tree_of(data)


def _text(data: Any) -> _Shape:
    text = data if isinstance(data, str) else summarize(data, MOST_TEXT)
    return "text", {"text": text[:MOST_TEXT], "more": max(0, len(text) - MOST_TEXT)}


def _code(data: Any) -> _Shape:
    return "code", {**_text(expect(str, data))[1], "language": None}


def _markdown(data: Any) -> _Shape:
    text = _text(expect(str, data))[1]
    return "markdown", {**text, "html": markdown.render(text["text"])}


def _boolean(data: Any) -> _Shape:
    return "text", {"text": {True: "yes", False: "no"}[data], "more": 0}


def _color(data: Any) -> _Shape:
    return "color", {"text": data, "fill": data if _COLOR.fullmatch(data) else None}


def _choices(data: Any) -> _Shape:
    if not isinstance(data, list):
        return _text(data)
    return "chips", [summarize(choice, _BRIEF) for choice in data[:_MAX_PARTS]]


def _label(data: Any) -> _Shape:
    parts = data["confidences"] or ()
    bars = [(summarize(part["label"], _BRIEF), _share(part["confidence"])) for part in parts]
    return "label", {"label": summarize(data["label"], _BRIEF), "bars": bars[:_MAX_PARTS]}


def _share(confidence: Any) -> float:
    return min(1.0, max(0.0, float(confidence or 0)))


def _picture(data: Any, caption: Any = None) -> dict[str, Any]:
    """Return a picture: a file in the store, or a `data:` URL in the value."""
    if isinstance(data, FileRef):
        return {"medium": "image", "file": data, "url": None, "caption": caption}
    url = expect(str, data["url"])
    if not _PICTURE.fullmatch(url):
        raise ValueError("the URL is not a picture")
    return {"medium": "image", "file": None, "url": url, "caption": caption}


def _pictures(items: Iterable[tuple[Any, Any]]) -> _Shape:
    found = ((data, caption) for data, caption in items if data is not None)
    return "pictures", [_medium(data, caption) for data, caption in islice(found, _MAX_PARTS)]


def _medium(data: Any, caption: Any = None) -> dict[str, Any]:
    """Return a picture, player or download, by the file's type."""
    known = _picture(data, caption)
    return known | {"medium": media_of(data)} if isinstance(data, FileRef) else known


def _gallery(data: Any) -> _Shape:
    return _pictures(
        (item["image"] if "image" in item else item["video"], item["caption"]) for item in data
    )


def _image_editor(data: Any) -> _Shape:
    layers = [(layer, f"layer {n}") for n, layer in enumerate(data["layers"], 1)]
    whole = [(data["composite"], "composite"), (data["background"], "background")]
    return _pictures([*whole, *layers])


def _annotated(data: Any) -> _Shape:
    annotations = data["annotations"][:_MAX_PARTS]
    masks = [_picture(item["image"], item["label"]) for item in annotations]
    return "annotated", {"base": _picture(data["image"]), "masks": masks}


def _media(data: Any) -> _Shape:
    """Show a file, several files, or a video with subtitles."""
    parts = data if isinstance(data, list | tuple) else [data]
    if isinstance(data, dict):
        parts = [data["video"], data["subtitles"]] if "video" in data else [data]
    return _pictures((part, None) for part in parts)


def _table(data: Any) -> _Shape:
    rows, headers = data["data"], data["headers"]
    cells = [
        [summarize(cell, _BRIEF) for cell in row[:_MAX_COLUMNS]]
        for row in expect(list, rows)[:_MAX_ROWS]
    ]
    head = [summarize(name, _BRIEF) for name in headers[:_MAX_COLUMNS]]
    cut = len(rows) > _MAX_ROWS or len(headers) > _MAX_COLUMNS
    return "table", {"headers": head, "rows": cells, "size": (len(rows), len(headers)), "cut": cut}


def _highlighted(data: Any) -> _Shape:
    parts = [(expect(str, part["token"]), part["class_or_confidence"]) for part in data]
    parts = parts[:_MAX_PARTS]
    names = dict.fromkeys(str(name) for _, name in parts if name is not None)
    colors = {name: n % 8 for n, name in enumerate(names)}
    return "highlighted", [
        (token, None if name is None else str(name), colors.get(str(name))) for token, name in parts
    ]


def _multimodal(data: Any) -> _Shape:
    return "message", _said([data["text"], *data["files"]])


def _chat(data: Any) -> _Shape:
    """Show messages with roles (Gradio 5 and newer), or pairs of a message and its reply."""
    messages = []
    items = expect(list, data)[-_MAX_PARTS:]
    while len(items) > 1 and size_of(items) > _MAX_SHOWN // 2:  # keep the last messages
        items = items[len(items) // 2 :]
    for item in items:
        if isinstance(item, dict):
            said = _said(item["content"])
            title = (item.get("metadata") or {}).get("title")
            messages.append({"role": str(item["role"]), "title": title, "said": said})
        else:
            asked, replied = item
            pair = (("user", asked), ("assistant", replied))
            messages += [
                {"role": role, "title": None, "said": _said(content)}
                for role, content in pair
                if content is not None
            ]
    return "chat", messages


def _said(content: Any) -> list[dict[str, Any]]:
    """Return the parts of a message: Markdown as HTML, media, or a tree."""
    match content:
        case str():
            return [{"html": markdown.render(content[:MOST_TEXT])}]
        case FileRef():
            return [_medium(content)]
        case {"text": str(text)} if "files" not in content:
            return _said(text)
        case {"file": FileRef() as file}:
            return [_medium(file, content.get("alt_text"))]
        case list() | tuple():
            return [part for item in content for part in _said(item)]
    return [{"tree": tree_of(content)}]


def _plot(data: Any) -> _Shape:
    if "columns" in data:
        table = {"headers": data["columns"], "data": data["data"]}
        return "plot", {"chart": plot_of(data), "table": _table(table)[1]}
    if data["type"] == "matplotlib":
        return "pictures", [_picture({"url": data["plot"]})]
    plot, tree = plot_in(data), tree_of(orjson.loads(data["plot"]))
    if plot is None:
        return "tree", tree
    return "drawn", {"plot": plot, "tree": tree, "has_library": has_library(plot.library)}


def _model3d(data: Any) -> _Shape:
    if not (isinstance(data, FileRef) and is_model(data)):
        return _media(data)
    return "model3d", {"file": data, "has_library": can_show_models()}


def expect(kind: type, data: Any) -> Any:
    """Return *data* if it is of type *kind*, else raise `TypeError`."""
    if not isinstance(data, kind):
        raise TypeError(f"expected {kind.__name__}")
    return data


_SHAPES: dict[str, Callable[[Any], _Shape]] = {
    "annotated_image": _annotated,
    "audio": _media,
    "boolean": _boolean,
    "chat": _chat,
    "choice": _choices,
    "choices": _choices,
    "code": _code,
    "color": _color,
    "datetime": _text,
    "file": _media,
    "gallery": _gallery,
    "highlighted_text": _highlighted,
    "html": _code,
    "image": _media,
    "image_editor": _image_editor,
    "image_pair": _media,
    "label": _label,
    "markdown": _markdown,
    "model3d": _model3d,
    "multimodal": _multimodal,
    "number": _text,
    "paths": _tree,
    "plot": _plot,
    "table": _table,
    "text": _text,
    "video": _media,
}
