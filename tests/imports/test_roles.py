"""
Which fields are outputs: guessed by name, said, and corrected by a second import, in every store.
"""

from pathlib import Path

import pytest

from flagstone import Review, open_store
from flagstone.operations.check import check_store
from flagstone.operations.import_gradio import Field, import_gradio_logs
from flagstone.operations.sync import sync
from flagstone.stores.hub_legacy.flag_folders import FlagFolders
from flagstone.stores.memory import MemoryStore
from flagstone.stores.open import with_index

LOG = (
    "name,score,verdict,flag,username,timestamp\r\n"
    "ana,7,good,,bo,2026-01-01 10:00:00.000001\r\n"
    "cy,8,bad,wrong,,2026-01-01 10:00:01.000001\r\n"
)
STORES = {
    "memory": lambda folder: MemoryStore(),
    "csv": lambda folder: open_store(folder / "csv"),
    "sqlite": lambda folder: open_store(folder / "flags.db"),
    "shards": lambda folder: open_store(f"parquet:{folder}/shards"),
    "folders": lambda folder: FlagFolders(folder / "folders"),
}


@pytest.fixture
def logs(tmp_path) -> Path:
    folder = tmp_path / "flagged"
    folder.mkdir()
    (folder / "log.csv").write_bytes(LOG.encode())
    return folder


@pytest.fixture(params=STORES)
def store(request, tmp_path):
    with STORES[request.param](tmp_path) as opened:
        yield opened


def roles(store) -> list[tuple[list[str], list[str]]]:
    flags = [record for record in store.scan() if record.type == "flag"]
    return [([*flag.inputs], [*flag.outputs]) for flag in flags]


def test_a_second_import_corrects_the_roles(logs, store):
    """
    Flags keep their ids and reviews, and get their outputs and a fingerprint of the inputs left.
    """
    first = import_gradio_logs(logs, store)
    before = {flag.id: flag for flag in store.find()}
    review = Review(flag_id=next(iter(before)), by="bo", verdict="accepted")
    store.append([review])

    dry = import_gradio_logs(logs, store, outputs=["verdict"], dry_run=True)
    assert roles(store) == [(["name", "score", "verdict"], [])] * 2
    second = import_gradio_logs(logs, store, outputs=["verdict"])

    assert [(d.synced.copied, d.corrected, d.synced.known) for d in (first, dry, second)] == [
        (2, 0, 0), (0, 2, 0), (0, 2, 0),
    ]  # fmt: skip
    assert roles(store) == [(["name", "score"], ["verdict"])] * 2
    found = {flag.id: flag for flag in store.find()}
    assert found.keys() == before.keys()
    for flag_id, flag in found.items():
        assert store.get(flag_id) == flag
        assert (flag.created_at, flag.user) == (before[flag_id].created_at, before[flag_id].user)
        assert flag.fingerprint != before[flag_id].fingerprint
        assert store.count_by_fingerprint([flag.fingerprint]) == {flag.fingerprint: 1}
    assert store.state(review.flag_id).reviews == (review,)
    assert store.count() == 2
    assert check_store(store).damage == ()


def test_what_was_said_is_not_undone(logs, store):
    """
    An import that says nothing of outputs, as a nightly one, leaves what was corrected.
    """
    import_gradio_logs(logs, store, outputs=["verdict"])

    plain = import_gradio_logs(logs, store)
    again = import_gradio_logs(logs, store, outputs=["verdict"])

    assert (plain.synced.known, plain.corrected) == (2, 0)
    assert (again.synced.known, again.corrected) == (2, 0)
    assert roles(store) == [(["name", "score"], ["verdict"])] * 2


def test_roles_are_corrected_back_and_forth(logs, store):
    """
    As often as somebody says otherwise.
    """
    for outputs in (["verdict"], ["score"], ["verdict"], ["score", "verdict"]):
        import_gradio_logs(logs, store, outputs=outputs)
        assert [found for _, found in roles(store)] == [outputs] * 2


def test_what_was_erased_stays_erased(logs, store):
    """
    A correction brings no erased flag back.
    """
    import_gradio_logs(logs, store)
    doomed, other = (flag.id for flag in store.find())
    store.erase([doomed])

    done = import_gradio_logs(logs, store, outputs=["verdict"])

    assert done.corrected == 1
    assert [flag.id for flag in store.find()] == [other]


def test_the_demo_says_more_than_the_cells(logs, store):
    """
    With the demo's fields a digit is the text that it was, and a second import corrects it.
    """
    import_gradio_logs(logs, store)
    fields = [
        Field(name="name", kind="text"),
        Field(name="score", kind="text"),
        Field(name="verdict", kind="text", is_output=True),
    ]

    done = import_gradio_logs(logs, store, fields=fields)

    assert done.corrected == 2
    assert sorted(flag.inputs["score"].data for flag in store.find()) == ["7", "8"]
    assert not any("in_doubt" in flag.context for flag in store.find())
    assert check_store(store).damage == ()


@pytest.mark.parametrize("kind", ["csv", "sqlite", "shards"])
def test_who_reads_by_an_index_sees_the_correction(logs, tmp_path, kind):
    """
    An index that was made before is made anew.
    """
    with STORES[kind](tmp_path) as store, with_index(STORES[kind](tmp_path)) as reader:
        import_gradio_logs(logs, store)
        old = {flag.fingerprint for flag in reader.find()}

        import_gradio_logs(logs, store, outputs=["verdict"])

        assert [[*flag.outputs] for flag in reader.find()] == [["verdict"]] * 2
        assert reader.count_by_fingerprint(old) == dict.fromkeys(old, 0)


def test_a_copy_is_corrected_by_an_import_of_its_own(logs, tmp_path):
    """
    A store that was copied before has the flags as they were; an import into it corrects them.
    """
    store, copy = MemoryStore(), MemoryStore()
    import_gradio_logs(logs, store)
    sync(store, copy)
    import_gradio_logs(logs, store, outputs=["verdict"])
    assert sync(store, copy).copied == 0

    import_gradio_logs(logs, copy, outputs=["verdict"])

    assert list(copy.scan()) == list(store.scan())


@pytest.mark.parametrize(
    ("header", "outputs"),
    [
        ("name,output", ["output"]),
        ("name,output 0,output 1", ["output 0", "output 1"]),
        ("image,label", ["label"]),
        ("name,Output", ["Output"]),
        ("label,name", []),
        ("output", []),
        ("output,label", []),
    ],
)
def test_obvious_outputs_are_guessed_and_told(tmp_path, header, outputs):
    """
    What stands last and is called as Gradio calls outputs is one, unless nothing else is left.
    """
    row = ",".join("x" for _ in header.split(","))
    (tmp_path / "log.csv").write_text(f"{header},timestamp\n{row},2026-01-01 10:00:00\n")
    store = MemoryStore()

    done = import_gradio_logs(tmp_path, store)

    (flag,) = store.scan()
    assert done.guessed == tuple(outputs)
    assert [*flag.outputs] == outputs
    assert flag.context["outputs_are"] == ("guessed" if outputs else "unknown")
