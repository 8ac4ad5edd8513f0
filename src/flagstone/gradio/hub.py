"""
`HuggingFaceDatasetSaver`, which Gradio had up to 4.x: flags go to a dataset of the Hub.

A press of the button waits for the disk only. A thread takes what is on it to the Hub, where an
interval of flags is one commit; after a crash or an outage the next start goes on.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from flagstone.background import Copier
from flagstone.errors import MissingExtraError, NotYetError, StoreError
from flagstone.gradio.callbacks import FlagLogger
from flagstone.record import Flag
from flagstone.store import Store
from flagstone.stores import DATABASE

logger = logging.getLogger(__name__)

Layout = Literal["typed", "csv"]


class HuggingFaceDatasetSaver(FlagLogger):
    """
    Keeps flags in `flags.db` in the flagging directory, or in *store*, and copies them to the Hub.

    *dataset_name* is `USER/NAME`, or `NAME` of the user whose *hf_token* it is; the dataset is made
    at the first flag, *private* if so. The copy is made *every* so many seconds, after 1,000 flags,
    and when the program ends; with `every=0`, `flag` waits for it. The token is
    never written, logged or shown.

    Of the *layout*s of 4.x (`"csv"`, or *separate_dirs*) there is none yet: `NotYetError`.
    *info_filename* is theirs, too.
    """

    def __init__(
        self,
        hf_token: str | None,
        dataset_name: str,
        private: bool = False,
        info_filename: str = "dataset_info.json",
        separate_dirs: bool = False,
        *,
        layout: Layout = "typed",
        every: float = 300.0,
        store: str | Path | Store | None = None,
    ) -> None:
        super().__init__(store)
        if separate_dirs or layout != "typed":
            raise NotYetError(
                name="HuggingFaceDatasetSaver in a layout of Gradio 4",
                instead="Until it is, leave out layout and separate_dirs: the dataset then has "
                "typed columns, which datasets.load_dataset reads.",
            )
        try:
            import flagstone.places.repository
            import flagstone.stores.shards  # noqa: F401 - whether what they need is installed
        except ImportError as error:
            raise MissingExtraError(asked="HuggingFaceDatasetSaver", extra="hub") from error
        self.dataset_name = dataset_name
        self.private = private
        self.info_filename = info_filename
        self._token = hf_token
        self._every = every
        self._copiers: dict[str, Copier] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.dataset_name!r})"

    def open_store(self, flagging_dir: Path, names: Sequence[str]) -> Store:
        store = super().open_store(flagging_dir, names)
        if store.where not in self._copiers:
            self._copiers[store.where] = Copier(
                store,
                self._open_dataset,
                to=f"the dataset {self.dataset_name} on the Hub",
                every=self._every or 60.0,
            )
        if (flagging_dir / DATABASE).exists() or self._store is not None:
            self._copiers[store.where].start()  # what an earlier run left
        return store

    def keep(self, flag: Flag, store: Store) -> int:
        count = super().keep(flag, store)
        copier = self._copiers[store.where]
        copier.note()
        if self._every == 0:
            copier.flush()  # a failure is in the log; the flag is safe, and will be copied
        return count

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all flags are on the Hub, at most so many seconds; says whether they are."""
        done = [copier.flush(timeout) for copier in self._copiers.values()]
        return all(done)

    def _open_dataset(self) -> Store:
        from flagstone.stores.shards import ShardStore

        options = {"token": self._token, "private": self.private or None}
        return ShardStore(f"hf://datasets/{self._full_name()}", options)

    def _full_name(self) -> str:
        """The dataset with its owner, whom the token tells."""
        if "/" in self.dataset_name:
            return self.dataset_name
        from huggingface_hub import HfApi

        try:
            return f"{HfApi(token=self._token).whoami()['name']}/{self.dataset_name}"
        except Exception as error:
            reason = f"the Hub does not say whose token it is ({error})"
            raise StoreError(doing="write to", where=self.dataset_name, reason=reason) from error
