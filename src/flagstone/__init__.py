"""
Keep what people flag in a machine-learning demo: never lost, never altered.

The public names of the library. `flagstone.gradio` has Gradio's names, with flagging that keeps
its promises; `flagstone.testing` holds a store of your own to ours; `flagstone.errors` draws the
tree of errors.
"""

from flagstone.core.query import Query, State
from flagstone.core.records import FileRef, Flag, Outcome, Record, Review, Value
from flagstone.errors import FlagstoneError
from flagstone.stores.base import Store
from flagstone.stores.open import open_store

__all__ = [
    "FileRef",
    "Flag",
    "FlagstoneError",
    "Outcome",
    "Query",
    "Record",
    "Review",
    "State",
    "Store",
    "Value",
    "open_store",
]

__version__ = "0.1.0"
