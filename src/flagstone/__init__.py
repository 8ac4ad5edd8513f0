"""
Save what users flag in a machine-learning demo, without loss and without change.

This module exports the public names: the records, `Store`, `Query`, `open_store`, and the verbs.
`flagstone.gradio` is the drop-in replacement for Gradio's flagging, `flagstone.review` serves the
review page, `flagstone.testing` tests your own store, and `flagstone.errors` defines the errors.
All other modules are internal and may change without notice.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from flagstone.core.query import Query, State
from flagstone.core.records import FileRef, Flag, Outcome, Record, Review, Value
from flagstone.errors import FlagstoneError
from flagstone.stores.base import Store
from flagstone.stores.open import open_store

if TYPE_CHECKING:
    from flagstone.core.query_syntax import parse_query
    from flagstone.exporters.export import export
    from flagstone.operations.check import check_store
    from flagstone.operations.decide import decide
    from flagstone.operations.forget import forget
    from flagstone.operations.import_gradio import import_gradio_logs
    from flagstone.operations.sync import sync

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
    "check_store",
    "decide",
    "export",
    "forget",
    "import_gradio_logs",
    "open_store",
    "parse_query",
    "sync",
]

__version__ = "0.1.0"

_VERBS = {
    "check_store": "flagstone.operations.check",
    "decide": "flagstone.operations.decide",
    "export": "flagstone.exporters.export",
    "forget": "flagstone.operations.forget",
    "import_gradio_logs": "flagstone.operations.import_gradio",
    "parse_query": "flagstone.core.query_syntax",
    "sync": "flagstone.operations.sync",
}
"""The module of each verb; verbs are imported on first use, so that this import stays fast."""


def __getattr__(name: str) -> Any:
    if name not in _VERBS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    verb = getattr(import_module(_VERBS[name]), name)
    globals()[name] = verb
    return verb


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
