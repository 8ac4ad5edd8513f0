"""
Open the medium of a Parquet store: a directory, a bucket, or a dataset on the Hub.
"""

from pathlib import Path
from typing import Any

from flagstone.blobs.base import Place
from flagstone.blobs.local import Directory
from flagstone.blobs.object_store import Bucket
from flagstone.errors import MissingExtraError

_HUB = "hf://"


def place_at(url: str, options: dict[str, Any] | None = None) -> Place:
    """Return the Hub dataset for an `hf://` URL, a bucket for other schemes, or a directory."""
    path = url.removeprefix("file://")
    if path.startswith(_HUB):
        try:
            from flagstone.blobs.hub import Repository
            from flagstone.blobs.hub_repo import Commits
        except ImportError as error:
            raise MissingExtraError(asked=url, extra="hub") from error

        return Repository(Commits(path, **(options or {})))
    return Bucket(url, options) if "://" in path else Directory(Path(path))
