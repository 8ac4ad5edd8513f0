"""
Where records are kept: `open_store` finds the store that a URL names, `with_index` makes it fast.
"""

from flagstone.stores.base import Store
from flagstone.stores.open import open_store, with_index

__all__ = ["Store", "open_store", "with_index"]
