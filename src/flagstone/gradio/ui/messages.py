"""
Notices that the page shows after a flag: a receipt, or why nothing was saved.
"""

import html
from typing import Any

import gradio
from gradio.context import LocalContext

from flagstone.errors import FlagstoneError
from flagstone.gradio.recording.recorder import FlagReceipt

_NOT_OURS = (
    "An error occurred on the server; see its log for details. Assume that it was not saved; "
    "you can try again."
)

LOST = (
    '<p role="alert"><strong>Not saved.</strong> The server did not respond; you can try again.</p>'
)
"""The notice if the server does not respond."""


def receipt(kept: Any) -> str:
    """Return the notice that the flag was saved, with its id if known."""
    name = f" Receipt: <code>{kept.flag_id}</code>" if isinstance(kept, FlagReceipt) else ""
    return status(f"✓ Saved.{name}")


def status(text: str) -> str:
    """Return *text*, which may contain our own HTML, as a polite live-region notice."""
    return f'<p role="status">{text}</p>'


def refusal(error: Exception) -> str:
    """Return why nothing was saved, as a notice that screen readers announce at once."""
    return f'<p role="alert"><strong>Not saved.</strong> {html.escape(sentence(error))}</p>'


def warn(error: Exception) -> None:
    """Show on the page of the running event why nothing was saved, if no button was pressed."""
    if LocalContext.event_id.get(None) is not None:  # else no page would receive it
        gradio.Warning(f"Not saved. {sentence(error)}")


def sentence(error: Exception) -> str:
    """Return the text of *error* that visitors may see."""
    if isinstance(error, FlagstoneError):
        return error.to_person
    if isinstance(error, gradio.Error):  # raised by a callback in order to be shown
        return str(error.message)
    return _NOT_OURS
