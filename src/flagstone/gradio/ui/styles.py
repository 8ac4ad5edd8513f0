"""
The shared style of the flag panel and of the comment form of a chat.
"""

from typing import Any

import gradio

_STYLE = """<style>
.flagstone-style { display: none !important; }
.flagstone-panel { border: 1px solid var(--border-color-primary); border-radius: var(--radius-lg);
  padding: var(--spacing-lg); background: var(--background-fill-secondary); }
.flagstone-panel[aria-busy] { opacity: .6; pointer-events: none; }
.flagstone-panel fieldset label { border-radius: 999px; }
.flagstone-panel fieldset label:has(input:focus-visible) {
  outline: 2px solid var(--color-accent); outline-offset: 1px; }
</style>"""


COMMENT: dict[str, Any] = {
    "label": "Comment",
    "placeholder": "Why? Enter saves, Shift+Enter starts a new line.",
    "lines": 1,
    "max_lines": 6,
    "interactive": True,
}
"""The arguments of the `Textbox` for a comment."""


def place_style() -> None:
    """Add the style sheet of the panels to the page."""
    gradio.HTML(_STYLE, elem_classes="flagstone-style")


def consent_boxes(line: str | None) -> list[gradio.Checkbox]:
    """Return the consent checkbox with *line* as its label, if there is one."""
    return [gradio.Checkbox(label=line, interactive=True)] if line else []
