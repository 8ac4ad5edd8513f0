"""
The kind of a component's values, such as "image" or "label".
"""

from functools import cache

from gradio.components import Component

from flagstone.errors.safe_logs import logger_of

logger = logger_of(__name__)

_KINDS = {
    "AnnotatedImage": "annotated_image",
    "Audio": "audio",
    "BrowserState": "state",
    "Button": "text",
    "Chatbot": "chat",
    "Checkbox": "boolean",
    "CheckboxGroup": "choices",
    "Code": "code",
    "ColorPicker": "color",
    "Dataframe": "table",
    "DateTime": "datetime",
    "Dropdown": "choice",
    "File": "file",
    "FileData": "file",
    "FileExplorer": "paths",
    "Gallery": "gallery",
    "HTML": "html",
    "HighlightedText": "highlighted_text",
    "Image": "image",
    "ImageData": "image",
    "ImageEditor": "image_editor",
    "ImageSlider": "image_pair",
    "JSON": "json",
    "Label": "label",
    "ListFiles": "file",
    "Markdown": "markdown",
    "Model3D": "model3d",
    "MultimodalTextbox": "multimodal",
    "NativePlot": "plot",
    "Number": "number",
    "Plot": "plot",
    "Radio": "choice",
    "SimpleDropdown": "choice",
    "SimpleImage": "image",
    "SimpleTextbox": "text",
    "Slider": "number",
    "State": "state",
    "Textbox": "text",
    "Timer": "number",
    "UploadButton": "file",
    "DownloadButton": "file",
    "Video": "video",
}


def kind_of(component: Component) -> str:
    """
    Return the kind of *component*: that of its nearest known base class, else of its data model's.
    """
    models = component.data_model.__mro__ if component.data_model else ()
    names = (base.__name__ for base in (*type(component).__mro__, *models))
    known = next((_KINDS[name] for name in names if name in _KINDS), None)
    return known or _unknown_kind(type(component))


@cache
def _unknown_kind(component: type[Component]) -> str:
    if not component.__module__.startswith("gradio."):
        logger.warning(
            "%s is new to Flagstone: its values are saved as exact JSON, and shown as JSON",
            component.__qualname__,
        )
    return "json"
