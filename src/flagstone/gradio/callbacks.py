"""
The flagging callbacks: what a press of the Flag button keeps, and where.

All of them turn the payloads into one `Flag` and append it to a store; they differ in the store.
They are handed to an Interface, ours or Gradio's, or used in Blocks through `setup` and `flag`.
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
"""Where Gradio's own flags go, when nobody says where."""


class StoreCallback(FlaggingCallback):
    """
    Keeps each flag in a store; a subclass says in which.

    One callback may serve several interfaces: each `setup` is remembered, and a flag goes to the
    one it belongs to.
    """

    verbose = True
    """Whether `setup` says in the log, at level INFO, where flags go."""

    def __init__(self) -> None:
        self._recorders: list[Recorder] = []
        self.components: Sequence[Component] = []
        self.flagging_dir: str | Path = ""

    @abstractmethod
    def open_store(self, flagging_dir: Path, names: Sequence[str]) -> Store:
        """The store for flags with fields of these *names*. Touches nothing yet."""

    @abstractmethod
    def save(self, flag: Flag, store: Store) -> int:
        """Append *flag* to *store* and say how many flags there are."""

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
        Say which *components* will be flagged, where flags go, and by which `Rules`.

        *outputs* are those of them that the model made; without it, they are found when a flag is
        pressed. *app* names the demo in the records; without it, its title or function does.
        """
        self.setup_fields(Fields(components, outputs), flagging_dir)
        self.recorder.app = app or title_here() or None
        self.recorder.set_rules(Rules(**rules))

    def setup_fields(self, fields: Fields, flagging_dir: str | Path) -> None:
        """Say which *fields* will be flagged, and where flags go."""
        store = self.open_store(Path(flagging_dir), fields.names)
        finish_on_open(store)
        self._recorders.append(Recorder(fields, store, self.save))
        self.components = fields.components
        self.flagging_dir = flagging_dir
        page = page_of(fields.components)
        if page is not None:
            watch(page)
        level = logging.INFO if self.verbose else logging.DEBUG
        logger.log(level, "Flags of %s are kept in %s", ", ".join(fields.names), store.location)

    def flag(
        self,
        flag_data: list[Any],
        flag_option: str | None = None,
        username: str | None = None,
    ) -> int:
        """
        Keep one flag: a value for each component, the option pressed, the user logged in.

        Returns how many flags there are, as a `Receipt`, when the flag is on the medium. Raises
        `RejectedFlagError` for a flag that cannot be saved exactly and `StoreError` if the medium
        fails; nothing is saved then, and the next flag works.
        """
        try:
            recorder, values = self._find_recorder(flag_data)
            press = Press(
                payloads=dict(enumerate(values)),
                option=flag_option or None,
                user=username,
                consented=True,  # whoever calls this has asked
            )
            return recorder.save(press)
        except Exception:
            logger.exception("A flag was not kept")
            raise

    def declare(self, *, outputs: int, app: str | None, rules: Rules) -> None:
        """Say afterwards what the latest `setup` was not told; the last *outputs* are made."""
        self.recorder.fields.declare_last(outputs)
        self.recorder.app = app
        self.recorder.set_rules(rules)

    def mirror(self, outputs: Sequence[Component]) -> None:
        """
        Say that the fields of the latest `setup` are these *outputs*, too.

        A page posts each once, and what a call took and what it made is kept of each.
        """
        fields = Fields([*self.recorder.fields.components, *outputs])
        count = len(fields.components)
        fields.optional = frozenset(range(count - len(outputs), count))
        store = self.open_store(Path(self.flagging_dir), fields.names)
        self._recorders[-1] = Recorder(fields, store, self.save)

    @property
    def recorder(self) -> Recorder:
        """What the latest `setup` made. Raises `NotSetUpError` where there was none."""
        if not self._recorders:
            raise NotSetUpError(callback=type(self).__name__)
        return self._recorders[-1]

    def _find_recorder(self, values: list[Any]) -> tuple[Recorder, list[Any]]:
        """Whose *values* these are: the latest with so many fields in the running demo."""
        half = len(values) // 2
        for number, part in ((len(values), values), (half, values[:half])):
            # Gradio's Interface passes the fields twice where its inputs are its outputs.
            fitting = [recorder for recorder in self._recorders if recorder.fields.take(number)]
            running = [recorder for recorder in fitting if recorder.fields.are_running()]
            if fitting and (part is values or part == values[half:]):
                return (running or fitting)[-1], part
        if not self._recorders:
            raise NotSetUpError(callback=type(self).__name__, values=len(values))
        raise WrongFieldsError(fields=self.recorder.fields.names, values=len(values))


class FlagLogger(StoreCallback):
    """
    Keeps flags in *store*: a URL, a path or a `Store`; by default `flags.db` in the flagging
    directory.

    What many people flag at once shares one fsync. `flag` returns how many this logger has kept.
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
        self._store = self._store and store  # one given store serves all setups
        return store

    def save(self, flag: Flag, store: Store) -> int:
        store.append([flag])
        return next(self._kept)


class _CsvCallback(StoreCallback):
    """Keeps flags in a CSV log. `flag` returns the number of the row."""

    def save(self, flag: Flag, store: Store) -> int:
        return cast(CsvFolder, store).save(flag)


class CSVLogger(_CsvCallback):
    """
    The default: flags in `dataset1.csv`, and on in `dataset2.csv` when the fields are others.

    With *simplify_file_data* a cell shows a file as its path, otherwise as Gradio's FileData.
    *verbose* says in the log where flags go. *dataset_file_name* names the log.
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
    """Flags in `log.csv`, where Gradio before 5.0 had them."""

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
    Flags in `log.csv` without a header, for illustration.

    `flag` returns one less than the number of rows, as Gradio's does.
    """

    def open_store(self, flagging_dir: Path, names: Sequence[str]) -> Store:
        return CsvFolder(flagging_dir, file_name="log.csv", header=False, order=names)

    def save(self, flag: Flag, store: Store) -> int:
        return super().save(flag, store) - 1
