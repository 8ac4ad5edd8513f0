"""
Blobs in a dataset repository of the Hugging Face Hub; changes that belong together are one commit.

If another writer committed first, the caller reads their changes and takes the next number.
"""

import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from flagstone.blobs.base import Blob, Contents, Place
from flagstone.blobs.dataset_card import CARD, card_of
from flagstone.blobs.hub_repo import Commits
from flagstone.fs.atomic import BLOCK
from flagstone.fs.tempdirs import Scratch

_DATA = "data"
_OURS = re.compile(rf"{_DATA}/([\d-]+\.parquet|files/.*)")


class Repository(Place):
    """
    Blobs in the folder `data` of a dataset, which is created by the first commit.
    """

    errors = Commits.errors

    def __init__(self, commits: Commits) -> None:
        self._commits = commits
        self.location = commits.location
        self._staged: dict[str, Path] = {}
        self._spool: Scratch | None = None
        self._contents: Contents | None = None

    def create(self, name: str, content: bytes) -> bool:
        commits = self._commits
        if commits.head.commit is None:
            commits.make()
            return False  # so that the caller lists what exists
        if self._is_committed(name):
            return False
        commits.require_ours(is_ours=any(map(_OURS.match, commits.head.files)))
        staged = list(self._staged)
        additions: dict[str, bytes | Path] = {
            f"{_DATA}/{path}": self._staged[path] for path in staged
        }
        additions[f"{_DATA}/{name}"] = content
        if self._contents is not None:
            additions[CARD] = card_of(commits.read(CARD), self._contents, commits.id)
        if not commits.commit(f"Add {name}", additions):
            return False
        for path in staged:
            self._staged.pop(path).unlink(missing_ok=True)
        return True

    def upload(self, name: str, reader: BinaryIO) -> None:
        if self._spool is None:
            self._spool = Scratch()
        path = self._spool.path / name.replace("/", "-")
        with path.open("wb") as writer:
            shutil.copyfileobj(reader, writer, BLOCK)
        self._staged[name] = path

    def replace(self, name: str, content: bytes) -> None:
        self._change(f"Rewrite {name}", {f"{_DATA}/{name}": content})

    def delete(self, name: str) -> None:
        self._staged.pop(name, None)
        if self._is_committed(name):
            self._change(f"Delete {name}", {}, [f"{_DATA}/{name}"])

    def merge(self, name: str, content: bytes, covered: Sequence[str]) -> None:
        # If another writer was faster, they may have merged the same; the next merge will do.
        deletions = [f"{_DATA}/{one}" for one in covered]
        self._commits.commit(f"Merge into {name}", {f"{_DATA}/{name}": content}, deletions)

    def open(self, name: str) -> BinaryIO:
        if name in self._staged:
            return self._staged[name].open("rb")
        if not self._is_committed(name):
            self._commits.look()
        return self._commits.open(f"{_DATA}/{name}")

    def has(self, name: str) -> bool:
        return name in self._staged or self._is_committed(name)

    def list(self, folder: str = "") -> Iterator[Blob]:
        if not folder:
            self._commits.look()
        prefix = f"{_DATA}/{folder}/" if folder else f"{_DATA}/"
        for path, blob in self._commits.head.files.items():
            name = path.removeprefix(prefix)
            if name != path and "/" not in name:
                yield Blob(name, blob.size, blob.modified, blob.version)

    def address(self, name: str) -> str:
        return f"{self.location}/{_DATA}/{name}"

    def describe(self, contents: Contents) -> None:
        self._contents = contents

    def forget_history(self) -> None:
        self._commits.forget_history()

    def _is_committed(self, name: str) -> bool:
        return f"{_DATA}/{name}" in self._commits.head.files

    def _change(
        self, message: str, additions: dict[str, bytes], deletions: Sequence[str] = ()
    ) -> None:
        """Commit, retrying on each new head."""
        while not self._commits.commit(message, additions, deletions):
            self._commits.look()
