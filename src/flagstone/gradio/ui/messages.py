"""
What the page says became of a flag: a receipt, or a sentence that says why nothing was saved.
"""

import html
from typing import Any

import gradio
from gradio.context import LocalContext

from flagstone.errors import FlagstoneError
from flagstone.gradio.recording.recorder import FlagReceipt

_NOT_OURS = (
    "Something went wrong on the server, and its log says what. Count it as not saved; "
    "you can try again."
)

LOST = (
    '<p role="alert"><strong>Not saved.</strong> The server did not answer; you can try again.</p>'
)
"""Why nothing was saved, where the server cannot say it."""


def receipt(kept: Any) -> str:
    """That it was saved, and the id of the flag where there is one."""
    name = f" Its receipt is <code>{kept.flag_id}</code>." if isinstance(kept, FlagReceipt) else ""
    return status(f"✓ Saved.{name}")


def status(text: str) -> str:
    """*text*, which may hold markup of ours, as a notice that is read out when there is time."""
    return f'<p role="status">{text}</p>'


def refusal(error: Exception) -> str:
    """Why nothing was saved, as a notice that is read out at once."""
    return f'<p role="alert"><strong>Not saved.</strong> {html.escape(sentence(error))}</p>'


def warn(error: Exception) -> None:
    """Tell the page of the running event why nothing was saved, where no button can."""
    if LocalContext.event_id.get(None) is not None:  # else nobody listens
        gradio.Warning(f"Not saved. {sentence(error)}")


def sentence(error: Exception) -> str:
    """What a visitor may read of *error*."""
    if isinstance(error, FlagstoneError):
        return error.to_person
    if isinstance(error, gradio.Error):  # which a callback raises to be shown
        return str(error.message)
    return _NOT_OURS
