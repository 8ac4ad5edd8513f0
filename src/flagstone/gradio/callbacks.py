"""
Flagging callbacks, which save a flag when the Flag button is pressed.

Each callback builds a `Flag` from the payloads and appends it to a store; they differ in the store.
Pass one to an Interface (ours or Gradio's), or call its `setup` and `flag` in Blocks.
"""

import itertools
import logging
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Unpack, cast

import gradio
from gradio.components import Component
from gradio.flagging import FlaggingCallback

from flagstone.core.records import Flag
from flagstone.errors import NotSetUpError, WrongFieldsError
from flagstone.errors.safe_logs import logger_of
from flagstone.gradio.payloads.fields import Fields, page_of, title_here
from flagstone.gradio.recording.policy import RuleOptions, Rules
from flagstone.gradio.recording.recorder import Press, Recorder
from flagstone.gradio.recording.watcher import watch
from flagstone.operations.forget import finish_on_open
from flagstone.stores.base import Store
from flagstone.stores.csv_folder.store import CsvFolder
from flagstone.stores.group_commit import GroupCommit
from flagstone.stores.open import DATABASE, open_store

__all__ = [
    "CSVLogger",
    "ClassicCSVLogger",
    "FlagLogger",
    "FlaggingCallback",
    "SimpleCSVLogger",
    "StoreCallback",
]

logger = logger_of(__name__)

DEFAULT_FOLDER = "flagged" if gradio.__version__.startswith("4.") else ".gradio/flagged"
"""Gradio's default flagging directory."""


class StoreCallback(FlaggingCallback):
    """
    Base class of callbacks that save flags in a store, which the subclass opens.

    One callback may serve several interfaces: it remembers each `setup` and matches each flag to
    the right one.
    """

    verbose = True
    """Whether `setup` logs the location of the flags at level INFO rather than DEBUG."""

    def __init__(self) -> None:
        self._recorders: list[Recorder] = []
        self.components: Sequence[Component] = []
        self.flagging_dir: str | Path = ""

    @abstractmethod
    def open_store(self, flagging_dir: Path, names: Sequence[str]) -> Store:
        """Return the store for flags with fields of these *names*; write nothing yet."""

    @abstractmethod
    def save(self, flag: Flag, store: Store) -> int:
        """Append *flag* to *store* and return the number of flags."""

    def setup(
        self,
        components: Sequence[Component],
        flagging_dir: str | Path,
        *,
        outputs: Iterable[Component] | None = None,
        app: str | None = None,
        **rules: Unpack[RuleOptions],
    ) -> None:
        """
        Set the *components* to flag, the flagging directory and the `Rules`.

        *outputs* are the components that the model fills; by default they are detected for each
        flag. *app* is the demo's name in the records; by default its title or function name.
        """
        self.setup_fields(Fields(components, outputs), flagging_dir)
        self.recorder.app = app or title_here() or None
        self.recorder.set_rules(Rules(**rules))

    def setup_fields(self, fields: Fields, flagging_dir: str | Path) -> None:
        """Set the *fields* to flag and the flagging directory."""
        store = self.open_store(Path(flagging_dir), fields.names)
        finish_on_open(store)
        self._recorders.append(Recorder(fields, store, self.save))
        self.components = fields.components
        self.flagging_dir = flagging_dir
        page = page_of(fields.components)
        if page is not None:
            watch(page)
        level = logging.INFO if self.verbose else logging.DEBUG
        logger.log(level, "Flags of %s are saved in %s", ", ".join(fields.names), store.location)

    def flag(
        self,
        flag_data: list[Any],
        flag_option: str | None = None,
        username: str | None = None,
    ) -> int:
        """
        Save one flag: a value for each component, the chosen option, the logged-in user.

        Returns the number of flags, as a `FlagReceipt`, once the flag is stored durably. Raises
        `RejectedFlagError` if the flag cannot be saved exactly and `StoreError` if the store fails;
        nothing is saved then, and later flags are unaffected.
        """
        try:
            recorder, values = self._find_recorder(flag_data)
            press = Press(
                payloads=dict(enumerate(values)),
                option=flag_option or None,
                user=username,
                consented=True,  # the caller is responsible for consent
            )
            return recorder.save(press)
        except Exception:
            logger.exception("A flag was not saved")
            raise

    def declare(self, *, outputs: int, app: str | None, rules: Rules) -> None:
        """Complete the latest `setup`: the last *outputs* fields are outputs."""
        self.recorder.fields.declare_last(outputs)
        self.recorder.app = app
        self.recorder.set_rules(rules)

    def mirror(self, outputs: Sequence[Component]) -> None:
        """
        Declare that the fields of the latest `setup` are also these *outputs*.

        The page posts each field once; its value before and after the call are both saved.
        """
        fields = Fields([*self.recorder.fields.components, *outputs])
        count = len(fields.components)
        fields.optional = frozenset(range(count - len(outputs), count))
        store = self.open_store(Path(self.flagging_dir), fields.names)
        self._recorders[-1] = Recorder(fields, store, self.save)

    @property
    def recorder(self) -> Recorder:
        """The recorder of the latest `setup`. Raises `NotSetUpError` before the first `setup`."""
        if not self._recorders:
            raise NotSetUpError(callback=type(self).__name__)
        return self._recorders[-1]

    def _find_recorder(self, values: list[Any]) -> tuple[Recorder, list[Any]]:
        """Return the latest recorder with this many fields, in the running demo if possible."""
        half = len(values) // 2
        for number, part in ((len(values), values), (half, values[:half])):
            # Gradio's Interface passes the fields twice if its inputs are its outputs.
            fitting = [recorder for recorder in self._recorders if recorder.fields.take(number)]
            running = [recorder for recorder in fitting if recorder.fields.are_running()]
            if fitting and (part is values or part == values[half:]):
                return (running or fitting)[-1], part
        if not self._recorders:
            raise NotSetUpError(callback=type(self).__name__, values=len(values))
        raise WrongFieldsError(fields=self.recorder.fields.names, values=len(values))


class FlagLogger(StoreCallback):
    """
    Save flags in *store*: a URL, a path or a `Store`; by default `flags.db` in the flagging
    directory.

    Simultaneous flags share one fsync. `flag` returns the number of flags this logger has saved.
    """

    def __init__(self, store: str | Path | Store | None = None) -> None:
        super().__init__()
        self._store = store
        self._kept = itertools.count(1)  # next() on it is atomic

    def open_store(self, flagging_dir: Path, names: Sequence[str]) -> Store:  # noqa: ARG002
        store = flagging_dir / DATABASE if self._store is None else self._store
        if not isinstance(store, Store):
            store = open_store(store)
        if not isinstance(store, GroupCommit):
            store = GroupCommit(store)
        self._store = self._store and store  # a given store is shared by all setups
        return store

    def save(self, flag: Flag, store: Store) -> int:
        store.append([flag])
        return next(self._kept)


class _CsvCallback(StoreCallback):
    """Save flags in a CSV log. `flag` returns the row number."""

    def save(self, flag: Flag, store: Store) -> int:
        return cast(CsvFolder, store).save(flag)


class CSVLogger(_CsvCallback):
    """
    Save flags in `dataset1.csv`, or in `dataset2.csv` and so on if the fields change; the default.

    With *simplify_file_data* a cell holds a file's path, otherwise Gradio's FileData. *verbose*
    logs where flags are saved. *dataset_file_name* is the name of the CSV file.
    """

    def __init__(
        self,
        simplify_file_data: bool = True,
        verbose: bool = True,
        dataset_file_name: str | None = None,
    ) -> None:
        super().__init__()
        self.simplify_file_data = simplify_file_data
        self.verbose = verbose
        self.dataset_file_name = dataset_file_name

    def open_store(self, flagging_dir: Path, names: Sequence[str]) -> Store:
        return CsvFolder(
            flagging_dir,
            file_name=self.dataset_file_name or "dataset1.csv",
            order=names,
            simplify_file_data=self.simplify_file_data,
        )


class ClassicCSVLogger(_CsvCallback):
    """Save flags in `log.csv`, as Gradio did before 5.0."""

    def __init__(self, simplify_file_data: bool = True) -> None:
        super().__init__()
        self.simplify_file_data = simplify_file_data

    def open_store(self, flagging_dir: Path, names: Sequence[str]) -> Store:
        return CsvFolder(
            flagging_dir,
            file_name="log.csv",
            order=names,
            simplify_file_data=self.simplify_file_data,
        )


class SimpleCSVLogger(_CsvCallback):
    """
    Save flags in `log.csv` without a header, for illustration.

    `flag` returns the number of rows minus one, as in Gradio.
    """

    def open_store(self, flagging_dir: Path, names: Sequence[str]) -> Store:
        return CsvFolder(flagging_dir, file_name="log.csv", header=False, order=names)

    def save(self, flag: Flag, store: Store) -> int:
        return super().save(flag, store) - 1
