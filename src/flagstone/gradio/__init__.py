"""
Drop-in replacement for Gradio with reliable flagging: `import flagstone.gradio as gr`.

Every public name is the installed Gradio's own, except `Interface`, `ChatInterface`, the CSV
loggers and `HuggingFaceDatasetSaver`, which Flagstone replaces, and `FlagLogger`, `attach`,
`flag_panel` and `to_payload`, which it adds. `FlaggingCallback` is Gradio's own class.
"""

from typing import Any

from flagstone.errors import MissingExtraError

try:
    import gradio as _gradio
except ModuleNotFoundError as error:
    raise MissingExtraError(asked="flagstone.gradio", extra="gradio") from error

from gradio import *  # noqa: F403

from flagstone.gradio import callbacks as flagging  # noqa: F401 - for gr.flagging.CSVLogger
from flagstone.gradio.callbacks import ClassicCSVLogger as ClassicCSVLogger
from flagstone.gradio.callbacks import CSVLogger as CSVLogger  # type: ignore[assignment]
from flagstone.gradio.callbacks import FlaggingCallback as FlaggingCallback
from flagstone.gradio.callbacks import FlagLogger as FlagLogger
from flagstone.gradio.callbacks import SimpleCSVLogger as SimpleCSVLogger  # type: ignore[assignment]
from flagstone.gradio.chat.interface import ChatInterface as ChatInterface
from flagstone.gradio.hub_saver import HuggingFaceDatasetSaver as HuggingFaceDatasetSaver
from flagstone.gradio.interface import Interface as Interface
from flagstone.gradio.payloads.convert import to_payload as to_payload
from flagstone.gradio.placement import attach as attach
from flagstone.gradio.placement import flag_panel as flag_panel

__version__ = _gradio.__version__


def __dir__() -> list[str]:
    names = {name for name in dir(_gradio) if not name.startswith("_")}
    return sorted({*names, *_OURS, "__version__"})


def __getattr__(name: str) -> Any:
    return getattr(_gradio, name)


_OURS = [
    "CSVLogger",
    "ChatInterface",
    "ClassicCSVLogger",
    "FlagLogger",
    "HuggingFaceDatasetSaver",
    "Interface",
    "SimpleCSVLogger",
    "attach",
    "flag_panel",
    "to_payload",
]
__all__ = [name for name in __dir__() if name != "__version__"]
