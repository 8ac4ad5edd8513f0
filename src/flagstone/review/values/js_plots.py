"""
A plot as Gradio keeps it: a text, from anybody, for a library of the browser's to draw.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flagstone.review.values.js_libraries import Library


@dataclass(frozen=True)
class Plot:
    """A *text* of JSON that *library* draws."""

    library: Library
    text: str

    @cached_property
    def sha256(self) -> str:
        """The hash of the text, in hexadecimal: how an address names the plot."""
        return hashlib.sha256(self.text.encode(errors="surrogatepass")).hexdigest()


def plot_in(data: Any) -> Plot | None:
    """The plot that a value's *data* is; None for pictures, native plots and what is no plot."""
    match data:
        case {"type": "plotly" | "bokeh" | "altair" as library, "plot": str(text)}:
            return Plot(library, text)
    return None
