"""
The media of shards: a directory, a bucket, a dataset on the Hugging Face Hub.
"""

from pathlib import Path
from typing import Any

from flagstone.errors import MissingExtraError
from flagstone.places.bucket import Bucket
from flagstone.places.directory import Directory
from flagstone.places.place import Place

_HUB = "hf://"


def place_at(url: str, options: dict[str, Any] | None = None) -> Place:
    """The Hub for a URL that begins with `hf://`, else a bucket for a scheme, else a directory."""
    path = url.removeprefix("file://")
    if path.startswith(_HUB):
        try:
            from flagstone.places.commits import Commits
            from flagstone.places.repository import Repository
        except ImportError as error:
            raise MissingExtraError(asked=url, extra="hub") from error

        return Repository(Commits(path, **(options or {})))
    return Bucket(url, options) if "://" in path else Directory(Path(path))
