"""
How the flag panel and the details of a chat's reaction look: alike, and like the page around them.
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
    "placeholder": "Why? Enter saves, Shift+Enter begins a new line.",
    "lines": 1,
    "max_lines": 6,
    "interactive": True,
}
"""The arguments of a `Textbox` for a comment."""


def place_style() -> None:
    """Put the style sheet of the panels on the page."""
    gradio.HTML(_STYLE, elem_classes="flagstone-style")


def consent_boxes(line: str | None) -> list[gradio.Checkbox]:
    """The box to be ticked before anything is kept, where there is such a *line*."""
    return [gradio.Checkbox(label=line, interactive=True)] if line else []
