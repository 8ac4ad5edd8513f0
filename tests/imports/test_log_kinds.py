"""
Small logs of every kind, in the versions that wrote them: each is read right, doubted or refused.
"""

import os
from datetime import UTC, datetime
from typing import Any

import pytest
from cases_of_cells import CASES as CELLS
from cases_of_files import CASES as FILES
from cases_of_rows import CASES as ROWS
from logs_by_hand import Kept

from flagstone import FileRef, Flag
from flagstone.operations.import_gradio import import_gradio_logs
from flagstone.stores.csv_folder.gradio_log import NO_TIME
from flagstone.stores.memory import MemoryStore

WRITTEN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
CASES = [*CELLS, *FILES, *ROWS]


def shown(value, data) -> Any:
    match data:
        case FileRef():
            with value.files.open(data) as file:
                return Kept(data.name, file.read())
        case dict():
            return {key: shown(value, part) for key, part in data.items()}
        case list():
            return [shown(value, part) for part in data]
    return data


def values(fields) -> dict[str, tuple[str, Any]]:
    return {name: (value.kind, shown(value, value.data)) for name, value in fields.items()}


def facts(record) -> dict[str, Any]:
    if not isinstance(record, Flag):
        return {"verdict": record.verdict, "note": record.note, "time": record.created_at}
    return {
        "inputs": values(record.inputs),
        "outputs": values(record.outputs),
        "option": record.option,
        "user": record.user,
        "time": record.created_at,
        "doubts": record.context.get("in_doubt", {}),
    }


def expected(flag: dict[str, Any]) -> dict[str, Any]:
    if flag["time"] is None:
        return {**flag, "time": WRITTEN, "doubts": flag["doubts"] | {"timestamp": NO_TIME}}
    return {**flag, "time": datetime.fromisoformat(flag["time"]).astimezone(UTC)}


def write(folder, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (WRITTEN.timestamp(), WRITTEN.timestamp()))


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_log_is_read_as_it_was_written(tmp_path, case):
    """
    Values with their kinds, option, user, time and doubts are what they were, or the error is.
    """
    folder = tmp_path / "demo"
    write(folder, case.files)
    store = MemoryStore()
    options = {"fields": case.fields, "encoding": case.encoding}

    if case.error is not None:
        with pytest.raises(case.error) as raised:
            import_gradio_logs(folder / case.path, store, **options)
        assert case.words in str(raised.value)
        assert list(store.scan()) == []
        return
    import_gradio_logs(folder / case.path, store, **options)

    assert [facts(record) for record in store.scan()] == [expected(flag) for flag in case.flags]


def test_the_table_is_whole():
    """
    The tables have a hundred logs, each under a name of its own.
    """
    assert len({case.name for case in CASES}) == len(CASES) >= 100
