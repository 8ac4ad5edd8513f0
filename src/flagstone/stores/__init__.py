"""
Stores for records: `open_store` opens one by URL, `with_index` makes reading it fast.

The other names are for writing your own store.
"""

from flagstone.core.records import record_from_json
from flagstone.fs.atomic import replace_durably
from flagstone.stores.base import PreparedStore, Store, StoreWrapper, require_files
from flagstone.stores.files import DirectoryFiles, Files
from flagstone.stores.memory import MemoryStore
from flagstone.stores.open import open_store, with_index

__all__ = [
    "DirectoryFiles",
    "Files",
    "MemoryStore",
    "PreparedStore",
    "Store",
    "StoreWrapper",
    "open_store",
    "record_from_json",
    "replace_durably",
    "require_files",
    "with_index",
]
