"""
A plot as Gradio stores it: untrusted JSON text that a JavaScript library draws.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flagstone.review.values.js_libraries import Library


@dataclass(frozen=True)
class Plot:
    """JSON *text* that *library* draws."""

    library: Library
    text: str

    @cached_property
    def sha256(self) -> str:
        """Return the hash of the text in hexadecimal, which identifies the plot in an address."""
        return hashlib.sha256(self.text.encode(errors="surrogatepass")).hexdigest()


def plot_in(data: Any) -> Plot | None:
    """Return the plot in a value's *data*; None for pictures, native plots and other data."""
    match data:
        case {"type": "plotly" | "bokeh" | "altair" as library, "plot": str(text)}:
            return Plot(library, text)
    return None
