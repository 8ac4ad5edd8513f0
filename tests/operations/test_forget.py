"""
Forget: gone from a store and its copies, for good, with a receipt that names nobody.
"""

import io
import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from command_line import run
from typer.testing import CliRunner

from flagstone import Flag, Query, Review, Store, Value, open_store
from flagstone.cli import app
from flagstone.core.records import Outcome
from flagstone.operations.forget import ErasedStore, ErasureReceipt, forget
from flagstone.operations.sync import sync
from flagstone.testing import make_flag

SECRET, SHARED = b"secret content", b"shared content"


@pytest.fixture(params=["flags", "flags.db", "parquet:"])
def place(request, tmp_path) -> str:
    return (
        request.param + str(tmp_path / "s")
        if ":" in request.param
        else str(tmp_path / request.param)
    )


@pytest.fixture
def flags(place) -> list[Flag]:
    """Two flags of ana's, with a file that only they have and one that bo's has, too."""
    store = open_store(place)
    own = store.files.put(io.BytesIO(SECRET), name="ana.txt")
    shared = store.files.put(io.BytesIO(SHARED), name="shared.txt")
    both = Value(kind="file", data=[own, shared])
    old = datetime.now(UTC) - timedelta(days=100)
    flags = [
        make_flag("of ana", user="ana", outputs={"f": both}),
        make_flag("of ana, too", user="ana", outputs={"f": both}, created_at=old),
        make_flag("of bo", user="bo", outputs={"f": Value(kind="file", data=shared)}),
    ]
    store.append(flags)
    store.append([Review(flag_id=flags[0].id, by="bo", note="about ana")])
    store.append([Outcome(flag_id=flags[0].id, run_id="r", model="m", status="fixed")])
    return flags


def texts_of(store: Store) -> list[str]:
    return [record.to_json() for record in store.scan()]


def test_a_person_is_forgotten_everywhere(place, flags, tmp_path):
    """
    Flags, reviews, outcomes and files go from store and copy; what others need stays; the receipt
    counts, and has no word of anybody's.
    """
    copy = str(tmp_path / "copy.db")
    sync(open_store(place), open_store(copy))

    told = run("forget", "--user", "ana", "-s", place, "--also", copy, "--yes", "--json")

    receipt = json.loads(told)
    assert receipt["flag_ids"] == sorted(flag.id for flag in flags[:2])
    counts = {"flags": 2, "records": 4, "files": 1, "bytes": len(SECRET), "finished": 0}
    assert receipt["places"] == [
        {"location": open_store(url).location, **counts} for url in (place, copy)
    ]
    assert "ana" not in told.replace(str(tmp_path), "")
    for url in (place, copy):
        store = open_store(url)
        assert texts_of(store) == [flags[2].to_json()]
        own, shared = flags[0].files()
        assert not store.files.has(own)
        with store.files.open(shared) as file:
            assert file.read() == SHARED


def test_a_later_copy_brings_nothing_back(place, flags, tmp_path):
    """
    Neither from a store that still has it, nor to and fro between those that forgot.
    """
    another, copy = open_store(tmp_path / "another.db"), open_store(tmp_path / "copy")
    for target in (another, copy):
        sync(open_store(place), target)

    forget([open_store(place), copy], query=Query(user="ana"))

    for target in (open_store(place), copy):
        sync(another, target)
        assert texts_of(target) == [flags[2].to_json()]
    sync(open_store(place), copy)
    sync(copy, open_store(place))
    assert texts_of(copy) == texts_of(open_store(place)) == [flags[2].to_json()]


def test_what_only_a_copy_has_is_forgotten_too(place, flags, tmp_path):
    """
    A flag that is found in one place goes from all of them.
    """
    copy = open_store(tmp_path / "copy.db")
    later = make_flag("later", user="ana")
    copy.append([later])

    receipt = forget([open_store(place), copy], query=Query(user="ana"))

    assert receipt == ErasureReceipt(
        flag_ids=tuple(sorted([flags[0].id, flags[1].id, later.id])),
        places=(
            ErasedStore(
                location=open_store(place).location, flags=2, records=4, files=1, bytes=len(SECRET)
            ),
            ErasedStore(location=copy.location, flags=1, records=1, files=0, bytes=0),
        ),
    )
    again = forget([open_store(place), copy], query=Query(user="ana"), flag_ids=[later.id])
    assert again.flag_ids == ()


@pytest.mark.parametrize(
    ("arguments", "gone"),
    [
        (["--older-than", "90d"], [1]),
        (["--user", "ana", "--older-than", "90d"], [1]),
        (["--where", 'user:ana "too"'], [1]),
        (["--where", "user:bo", "--older-than", "90d"], []),
        (["--where", "app:nothing"], []),
    ],
)
def test_what_is_asked_for_together_must_hold_together(place, flags, arguments, gone):
    """
    --user, --older-than and --where restrict each other.
    """
    told = run("forget", *arguments, "-s", place, "--yes", "--json")

    assert json.loads(told)["flag_ids"] == [flags[n].id for n in gone]
    assert open_store(place).count() == 3 - len(gone)


def test_by_id(place, flags):
    """
    Ids name flags; one of a review, or of nothing, is told, and keeps no other from going.
    """
    store = open_store(place)
    (review,) = [record for record in store.scan() if isinstance(record, Review)]

    told = run("forget", flags[2].id, review.id, "no-such-id", "-s", place, "--yes", code=1)

    receipt, error = told.splitlines()[1:3]
    assert receipt == flags[2].id
    assert error == (
        f"Cannot forget {', '.join(sorted(['no-such-id', review.id]))}: "
        f"{store.location} has no flag with that id or user, and no such id was erased there. All "
        "other requested flags were erased. `flagstone list` shows the ids, `flagstone stats` the "
        "users; pass the folder or database that the demo writes to with --store."
    )
    assert {record.id for record in store.scan()} > {review.id, flags[0].id, flags[1].id}
    assert "Forgot 0 flags" in run("forget", flags[2].id, "-s", place, "--yes")  # gone already


def test_a_user_whom_nobody_knows_is_told(place, flags):
    """
    Nothing was found is no success, where a name may be misspelled; nothing as old as that is one.
    """
    told = run("forget", "--user", "anna", "-s", place, "--yes", code=1)

    where = open_store(place).location
    assert f"Cannot forget user:anna: {where} has no flag with that id or user" in told
    assert "Forgot 0 flags" in run(
        "forget", "--user", "bo", "--older-than", "90d", "-s", place, "--yes"
    )
    assert open_store(place).count() == 3


def test_it_asks_first(place, flags):
    """
    Without a yes nothing goes, and the question says how much would.
    """
    arguments = ["forget", "--user", "ana", "-s", place]
    before = texts_of(open_store(place))

    no = CliRunner().invoke(app, arguments, input="n\n")
    assert no.exit_code == 1
    assert "Would forget 2 flags in" in no.output
    assert texts_of(open_store(place)) == before
    yes = CliRunner().invoke(app, arguments, input="y\n")
    assert yes.exit_code == 0
    assert len(texts_of(open_store(place))) == 1


def test_a_dry_run_tells_the_same_and_erases_nothing(place, flags):
    """
    What it would do is what it does.
    """
    arguments = ("forget", "--user", "ana", "-s", place, "--json")
    before = texts_of(open_store(place))

    told = run(*arguments, "--dry-run")

    assert texts_of(open_store(place)) == before
    assert told == run(*arguments, "--yes")


@pytest.mark.parametrize("arguments", [[], ["--where", ""], ["--where", "order:oldest"]])
def test_nobody_forgets_everything_by_saying_nothing(place, flags, arguments):
    """
    What does not restrict is refused, rather than taken for all.
    """
    run("forget", *arguments, "-s", place, "--yes", code=2)

    assert open_store(place).count() == 3


def test_the_environment_names_the_copies(place, flags, tmp_path, monkeypatch):
    """
    FLAGSTONE_TARGETS stands for --also.
    """
    copies = [str(tmp_path / "a.db"), str(tmp_path / "b.db")]
    for copy in copies:
        sync(open_store(place), open_store(copy))
    monkeypatch.setenv("FLAGSTONE_TARGETS", " ".join(copies))

    run("forget", "--user", "ana", "-s", place, "--yes")

    assert [open_store(url).count() for url in (place, *copies)] == [1, 1, 1]


def test_a_target_that_is_not_there_is_a_sentence(place, flags, tmp_path):
    """
    Where one place cannot be opened nothing is forgotten in any.
    """
    arguments = ("--user", "ana", "-s", place, "--also", tmp_path / "no.db", "--yes")

    assert "no flags were saved there" in run("forget", *arguments, code=1)
    assert open_store(place).count() == 3


def on_the_medium(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_everywhere_is_where_it_was_copied_to(place, flags, tmp_path):
    """
    Nobody has to name the copies: records and files leave the medium in each, and a later copy in
    any direction brings nothing back.
    """
    places = [place, str(tmp_path / "b.db"), str(tmp_path / "c"), f"parquet:{tmp_path / 'd'}"]
    for target in places[1:]:
        run("sync", place, target)
    assert SECRET in on_the_medium(tmp_path)

    told = run("forget", "--user", "ana", "-s", place, "--everywhere", "--yes", "--json")

    receipt = json.loads(told)
    assert receipt["flag_ids"] == sorted(flag.id for flag in flags[:2])
    counts = {"flags": 2, "records": 4, "files": 1, "bytes": len(SECRET), "finished": 0}
    assert receipt["places"] == [
        {"location": str(Path(url.removeprefix("parquet:")).resolve()), **counts} for url in places
    ]
    assert receipt["unreached"] == []
    for source in places:
        for target in places:
            sync(open_store(source), open_store(target))
    assert [texts_of(open_store(url)) for url in places] == [[flags[2].to_json()]] * 4
    assert SECRET not in on_the_medium(tmp_path)
    assert b"of ana" not in on_the_medium(tmp_path)


def test_copies_of_copies_are_found(place, flags, tmp_path):
    """
    A chain of copies is followed to its end, also where it leads back; a later copy along it brings
    nothing back.
    """
    chain = [place, str(tmp_path / "b.db"), str(tmp_path / "c"), place]
    for source, target in pairwise(chain):
        run("sync", source, target)

    run("forget", "--user", "ana", "-s", place, "--everywhere", "--yes")

    for source, target in pairwise(chain):
        run("sync", source, target)
    assert [texts_of(open_store(url)) for url in chain] == [[flags[2].to_json()]] * 4


def test_only_everywhere_asks_the_copies(place, flags, tmp_path):
    """
    Without the word a copy stays as it is.
    """
    copy = tmp_path / "copy.db"
    run("sync", place, copy)

    run("forget", "--user", "ana", "-s", place, "--yes")

    assert open_store(copy).count() == 3


def test_a_copy_that_is_away_keeps_no_other_from_forgetting(place, flags, tmp_path):
    """
    It is named with the way out and exit status 1, is not made anew, and forgets when it is back.
    """
    away, here = tmp_path / "b.db", tmp_path / "c.db"
    for target in (away, here):
        run("sync", place, target)
    files = [path for path in tmp_path.glob("b.db*") if path.is_file()]
    for path in files:
        path.rename(tmp_path / f"moved-{path.name}")
    arguments = ("forget", "--user", "ana", "-s", place, "--everywhere", "--yes")

    told = run(*arguments, code=1)

    where = away.resolve()
    assert f"Not reached: {where}." in told
    assert told.endswith(
        f"Cannot forget in {where}: the flags may still be there. Cannot find the copy {where}: "
        "no store is there, or access to it was denied. Nothing was created there. Restore it, or "
        "name its new location with --also; if it was deleted for good, remove its line from "
        f"{open_store(place).targets}. All other stores were processed. Fix the problem and run "
        "the command again.\n"
    )
    assert not away.exists()
    assert [texts_of(open_store(url)) for url in (place, here)] == [[flags[2].to_json()]] * 2
    for path in files:
        (tmp_path / f"moved-{path.name}").rename(path)
    assert flags[0].id in run(*arguments)
    assert texts_of(open_store(away)) == [flags[2].to_json()]
    assert run(*arguments, code=1).count("Forgot 0 flags in /") == 3  # no place knows her any more


def test_a_copy_that_fails_keeps_no_other_from_forgetting(place, flags, tmp_path):
    """
    One that cannot be read is told by its own words, in the JSON as well; nor is a dry run silent.
    """
    broken, here = tmp_path / "b.db", tmp_path / "c.db"
    for target in (broken, here):
        run("sync", place, target)
    for path in tmp_path.glob("b.db-*"):
        path.unlink()
    broken.write_bytes(b"no database " * 1000)
    arguments = ("forget", "--user", "ana", "-s", place, "--everywhere", "--json")

    tried = run(*arguments, "--dry-run", code=1)
    told = run(*arguments, "--yes", code=1)

    receipt, _, sentence = told.partition("\n")
    assert tried == told
    assert json.loads(receipt)["unreached"] == [
        {
            "location": str(broken.resolve()),
            "reason": f"Cannot read {broken.resolve()}: file is not a database. The stored "
            "data is unchanged. Fix the problem and try again.",
        }
    ]
    assert sentence.startswith(f"Cannot forget in {broken.resolve()}: ")
    assert [texts_of(open_store(url)) for url in (place, here)] == [[flags[2].to_json()]] * 2


def test_the_library_forgets_everywhere_too(place, flags, tmp_path):
    """
    `forget(…, everywhere=True)` is the command, with what was copied by `sync` of Python.
    """
    copy = open_store(tmp_path / "copy.db")
    sync(open_store(place), copy)

    receipt = forget([open_store(place)], flag_ids=[flags[2].id], everywhere=True)

    assert [each.flags for each in receipt.places] == [1, 1]
    assert flags[2].to_json() not in texts_of(copy)
