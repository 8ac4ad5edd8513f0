"""
The flagging callbacks: what a press of the Flag button keeps, and where.

All of them turn the payloads into one `Flag` and append it to a store; they differ in the store.
They are handed to an Interface, ours or Gradio's, or used in Blocks through `setup` and `flag`.
"""

import itertools
import logging
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import gradio
from gradio.components import Component
from gradio.context import LocalContext
from gradio.flagging import FlaggingCallback

from flagstone.errors import WrongFieldsError
from flagstone.gradio.fields import Fields, running_blocks
from flagstone.gradio.payload import to_value
from flagstone.record import Flag, Value
from flagstone.store import Store
from flagstone.stores import DATABASE, open_store
from flagstone.stores.csv_folder import CsvFolder
from flagstone.stores.group import GroupCommit

__all__ = [
    "CSVLogger",
    "ClassicCSVLogger",
    "FlagLogger",
    "FlaggingCallback",
    "Receipt",
    "SimpleCSVLogger",
    "StoreCallback",
]

logger = logging.getLogger(__name__)


class Receipt(int):
    """How many flags there are, as Gradio has it, and the `flag_id` of the one just kept."""

    flag_id: str

    def __new__(cls, count: int, flag_id: str) -> Self:
        receipt = super().__new__(cls, count)
        receipt.flag_id = flag_id
        return receipt


@dataclass(kw_only=True)
class _Setup:
    fields: Fields
    store: Store
    app: str | None


class StoreCallback(FlaggingCallback):
    """
    Keeps each flag in a store; a subclass says in which.

    One callback may serve several interfaces: each `setup` is remembered, and a flag goes to the
    one it belongs to.
    """

    verbose = True
    """Whether `setup` says in the log, at level INFO, where flags go."""

    def __init__(self) -> None:
        self._setups: list[_Setup] = []
        self.components: Sequence[Component] = []
        self.flagging_dir: str | Path = ""

    @abstractmethod
    def open_store(self, flagging_dir: Path, names: Sequence[str]) -> Store:
        """The store for flags with fields of these *names*. Touches nothing yet."""

    @abstractmethod
    def keep(self, flag: Flag, store: Store) -> int:
        """Append *flag* to *store* and say how many flags there are."""

    def setup(
        self,
        components: Sequence[Component],
        flagging_dir: str | Path,
        *,
        outputs: Iterable[Component] | None = None,
        app: str | None = None,
    ) -> None:
        """
        Say which *components* will be flagged, and where flags go.

        *outputs* are those of them that the model made; without it, they are found when a flag is
        pressed. *app* names the demo in the records; without it, its title or function does.
        """
        fields = Fields(components, outputs)
        store = self.open_store(Path(flagging_dir), fields.names)
        self._setups.append(_Setup(fields=fields, store=store, app=app))
        self.components = components
        self.flagging_dir = flagging_dir
        level = logging.INFO if self.verbose else logging.DEBUG
        logger.log(level, "Flags of %s are kept in %s", ", ".join(fields.names), store.where)

    def flag(
        self,
        flag_data: list[Any],
        flag_option: str | None = None,
        username: str | None = None,
    ) -> int:
        """
        Keep one flag: a value for each component, the option pressed, the user logged in.

        Returns how many flags there are, as a `Receipt`, when the flag is on the medium. Raises
        `RefusedError` for what cannot be kept as it is and `StoreError` where the medium fails;
        nothing is kept then, and the next flag works.
        """
        try:
            setup, values = self._find_setup(flag_data)
            flag = _make_flag(setup, values, option=flag_option or None, user=username)
            return Receipt(self.keep(flag, setup.store), flag.id)
        except Exception:
            logger.exception("A flag was not kept")
            raise

    def declare(self, *, outputs: Iterable[Component], app: str | None) -> None:
        """Say afterwards what the latest `setup` was not told."""
        latest = self._setups[-1]
        latest.fields.declare(outputs)
        latest.app = app

    def _find_setup(self, values: list[Any]) -> tuple[_Setup, list[Any]]:
        """The setup that *values* belong to: the latest with so many fields in the running demo."""
        half = len(values) // 2
        for number, part in ((len(values), values), (half, values[:half])):
            # Gradio's Interface passes the fields twice where its inputs are its outputs.
            fitting = [setup for setup in self._setups if len(setup.fields.names) == number]
            running = [setup for setup in fitting if setup.fields.are_running()]
            if fitting and (part is values or part == values[half:]):
                return (running or fitting)[-1], part
        names = self._setups[-1].fields.names if self._setups else []
        raise WrongFieldsError(fields=names, values=len(values))


def _make_flag(setup: _Setup, payloads: list[Any], *, option: str | None, user: str | None) -> Flag:
    fields = setup.fields
    roles = fields.roles()
    values = [
        to_value(component, payload, field=name, description=description, files=setup.store.files)
        for component, payload, name, description in zip(
            fields.components, payloads, fields.names, fields.descriptions, strict=True
        )
    ]

    def part(*, made: bool) -> dict[str, Value]:
        named = zip(fields.names, values, strict=True)
        return {
            name: value for n, (name, value) in enumerate(named) if (n in roles.outputs) is made
        }

    request = LocalContext.request.get(None)
    return Flag(
        app=setup.app or _name_of_app(),
        inputs=part(made=False),
        outputs=part(made=True),
        option=option,
        user=user,
        session=getattr(request, "session_hash", None),
        context={"gradio": gradio.__version__, "outputs_are": roles.known},
    )


def _name_of_app() -> str:
    blocks = running_blocks()
    title = getattr(blocks, "title", None)
    if isinstance(title, str) and title != "Gradio":  # Gradio's own, where there is none
        return title
    return getattr(blocks, "__name__", "")


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

    def keep(self, flag: Flag, store: Store) -> int:
        store.append([flag])
        return next(self._kept)


class _CsvCallback(StoreCallback):
    """Keeps flags in a CSV log. `flag` returns the number of the row."""

    def keep(self, flag: Flag, store: Store) -> int:
        return cast(CsvFolder, store).keep(flag)


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

    def keep(self, flag: Flag, store: Store) -> int:
        return super().keep(flag, store) - 1
