"""
Where records are kept: `open_store` finds the store that a URL names.
"""

from flagstone.stores.base import Store
from flagstone.stores.open import open_store

__all__ = ["Store", "open_store"]
