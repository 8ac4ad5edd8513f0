"""
The command line: what people read, and what scripts do.
"""

import io
import json
import signal
import subprocess
import sys
import time

import pytest
from command_line import run
from typer.testing import CliRunner

from flagstone import Flag, Query, Review, Value, open_store
from flagstone.cli import app
from flagstone.testing import make_flag


@pytest.fixture
def flags(place) -> list[Flag]:
    flags = [
        make_flag("one", user="ana"),
        make_flag("two", option="unsure"),
        make_flag("three", app="other"),
    ]
    open_store(place).append(flags)
    return flags


def test_list_shows_the_newest_first(place, flags):
    """
    A table within 80 columns: id, option and what was seen, newest first.
    """
    output = run("list", "--store", place)

    positions = [output.index(flag.id) for flag in flags]
    assert positions == sorted(positions, reverse=True)
    assert "text: one" in output
    assert "→ label: 3 (70%)" in output
    assert "by ana" in output
    assert max(map(len, output.splitlines())) <= 80


def test_list_restricts_and_says_what_it_left_out(place, flags):
    """
    Options restrict; where a limit cuts, the last line says so.
    """
    assert "1 of 2 flags" in run("list", "-s", place, "--app", "digits", "--limit", 1)
    assert flags[1].id in run("list", "-s", place, "--option", "unsure")
    assert flags[0].id not in run("list", "-s", place, "--text", "THREE")


def test_list_as_json_is_the_records(place, flags):
    """
    With --json each line is a record as the store has it.
    """
    lines = run("list", "-s", place, "--json", "--order", "oldest").splitlines()

    assert lines == [flag.to_json() for flag in flags]


def test_show_shows_all_of_it(place, flags):
    """
    One flag in full, with what was decided about it; with --json its records.
    """
    review = Review(flag_id=flags[0].id, verdict="accepted", tags=("hard",), note="see [bold]here")
    open_store(place).append([review])

    output = run("show", flags[0].id, "-s", place)
    records = run("show", flags[0].id, "-s", place, "--json").splitlines()

    for piece in (flags[0].id, "ana", "accepted, hard", "see [bold]here", "3 (70%)", "digits"):
        assert piece in output
    assert records == [flags[0].to_json(), review.to_json()]


def test_hostile_text_commands_no_terminal(tmp_path):
    """
    Escape sequences and reversed writing are spelled out; markup is text.
    """
    flag = make_flag("\x1b[31mred\x07 \u202eabc [bold]x[/bold] \ud800", app="\x1b]0;title\x07")
    open_store(tmp_path / "f").append([flag])

    for output in (
        CliRunner().invoke(app, ["list", "-s", str(tmp_path / "f")]).output,
        CliRunner().invoke(app, ["show", flag.id, "-s", str(tmp_path / "f")]).output,
    ):
        assert "\x1b[31m" not in output
        assert "\x1b]" not in output
        assert "\u202e" not in output
        assert r"\x1b[31mred" in output
        assert "[bold]x" in output


def test_files_and_long_values(tmp_path):
    """
    A file is shown by its name and size, a drawing by its composite, long text cut in the list.
    """
    store = open_store(tmp_path / "f")
    path = tmp_path / "digit.png"
    path.write_bytes(b"x" * 1234)
    ref = store.files.put(path, name="digit.png")
    drawing = {"background": None, "layers": [ref], "composite": ref}
    flag = make_flag(
        inputs={"drawing": Value(kind="image_editor", data=drawing)},
        outputs={"text": Value(kind="text", data="y" * 500)},
    )
    store.append([flag])

    listed = run("list", "-s", tmp_path / "f")
    assert "drawing: digit.png" in listed
    assert "(1,234" in listed
    assert listed.count("y") < 100
    assert run("show", flag.id, "-s", tmp_path / "f").count("y") >= 500


def test_errors_are_one_sentence(tmp_path, place, flags):
    """
    What cannot be done is said in a sentence, with exit status 1, and nothing is made.
    """
    missing = run("list", "-s", tmp_path / "nothing.db", code=1)
    unknown = run("show", "no-such-id", "-s", place, code=1)

    assert missing.startswith(f"Cannot read {tmp_path}/nothing.db: no flags were saved there.")
    assert unknown.startswith(f"Cannot find flag 'no-such-id' in {place}: no flag has this id.")
    assert not (tmp_path / "nothing.db").exists()


def test_the_environment_names_the_store(place, flags):
    """
    FLAGSTONE_STORE stands for --store.
    """
    result = CliRunner().invoke(app, ["list", "--json"], env={"FLAGSTONE_STORE": str(place)})

    assert [json.loads(line)["id"] for line in result.output.splitlines()] == [
        flag.id for flag in reversed(flags)
    ]


class TestImport:
    """`flagstone import`."""

    @pytest.fixture
    def logged(self, tmp_path):
        folder = tmp_path / "logged"
        folder.mkdir()
        (folder / "log.csv").write_text(
            "text,label,timestamp\r\n'- a,cat,2026-01-01 10:00:00\r\nb,dog,2026-01-01 10:00:01\r\n"
        )
        return folder

    def test_it_says_what_it_did(self, logged, tmp_path):
        """
        A table of fields with what is in doubt, and a sentence with counts.
        """
        output = run("import", logged, tmp_path / "flags.db", "--output", "label")

        assert "text" in output
        assert "an apostrophe at its start" in " ".join(output.split())
        assert "Copied 2 flags and 0 files to" in output
        flags = list(open_store(tmp_path / "flags.db").find(Query(order="oldest")))
        assert [flag.outputs["label"].data for flag in flags] == ["cat", "dog"]

    def test_a_dry_run_makes_no_store(self, logged, tmp_path):
        """
        It tells the same and leaves no file behind.
        """
        output = run("import", logged, tmp_path / "flags.db", "--dry-run")

        assert "Would copy 2 flags" in output
        assert [path.name for path in tmp_path.iterdir()] == ["logged"]

    def test_json_names_each_doubt(self, logged, tmp_path):
        """
        A line for each cell in doubt, then the counts.
        """
        doubt, counts = run("import", logged, tmp_path / "f", "--json").splitlines()

        assert json.loads(doubt)["field"] == "text"
        assert json.loads(counts) == {
            "copied": 2, "known": 0, "files": 0, "corrected": 0, "guessed": ["label"],
        }  # fmt: skip

    def test_a_guess_is_told_and_corrected(self, logged, tmp_path):
        """
        What was taken for an output by its name is named; a second import says otherwise.
        """
        store = tmp_path / "flags.db"
        first = run("import", logged / "log.csv", store)
        second = run("import", logged.parent, store, "--output", "text")

        assert "Assumed to be outputs by their names: label. If this is wrong, pass" in first
        assert "Copied 0 flags and 0 files to" in second
        assert "Corrected 2 flags that were imported before." in second
        assert [[*flag.outputs] for flag in open_store(store).find()] == [["text"]] * 2

    def test_a_demo_tells_what_the_fields_are(self, logged, tmp_path):
        """
        `--demo` reads a file that ends by serving; what it prints is no output of ours.
        """
        (tmp_path / "app.py").write_text(
            "import gradio as gr\n"
            "text, label = gr.Textbox(label='text'), gr.Textbox(label='label')\n"
            "demo = gr.Interface(lambda x: x, text, label)\n"
            "print('ready')\ndemo.launch()\n"
        )

        output = run(
            "import", logged, tmp_path / "f.db", "--demo", f"{tmp_path}/app.py:demo", "--json"
        )

        assert '"corrected":0,"guessed":[]}' in output
        assert [[*flag.outputs] for flag in open_store(tmp_path / "f.db").find()] == [["label"]] * 2
        wrong = run("import", logged, tmp_path / "f.db", "--demo", "none.py:demo", code=1)
        assert wrong.startswith("Cannot load the demo none.py:demo: there is no none.py.")

    def test_an_encoding_that_cannot_be_told(self, logged, tmp_path):
        """
        The line is named, and the way out; `--encoding` reads it.
        """
        log = logged / "log.csv"
        log.write_bytes(log.read_bytes() + "Voilà l'été,x,2026-01-01 10:00:02\r\n".encode("cp1252"))

        refused = run("import", logged, tmp_path / "f.db", code=1)
        run("import", logged, tmp_path / "f.db", "--encoding", "cp1252")

        assert "log.csv, line 4: it is not UTF-8" in refused
        assert "--encoding cp1252" in refused
        assert open_store(tmp_path / "f.db").count(Query(text="Voilà l'été")) == 1

    def test_counts_stand_beside_their_reasons(self, logged, tmp_path):
        """
        Within 80 columns each reason begins on the line of its count, however long the others are.
        """
        (logged / "log.csv").write_text(
            "text,timestamp\n'- a,2026-01-01\n'- b,2026-01-01\n,2026-01-01\nx,y,2026-01-01\n"
        )

        lines = run("import", logged, tmp_path / "f.db").splitlines()

        cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines]
        assert [cell[2:] for cell in cells if len(cell) == 4 and cell[2]] == [
            ["2", "an apostrophe at its start was"],
            ["1", "None or the empty text: Gradio"],
            ["1", "one more cell than the log has"],
        ]
        assert [cell[0] for cell in cells if len(cell) == 4 and cell[0]] == ["text", "surplus cell"]
        assert max(map(len, lines[:-1])) <= 80

    def test_errors_are_a_sentence(self, logged, tmp_path):
        """
        No folder, no flags, no such output: status 1 and no traceback.
        """
        for arguments in ([tmp_path / "none"], [logged, "--output", "lable"]):
            output = run("import", *arguments[:1], tmp_path / "f.db", *arguments[1:], code=1)
            assert output.startswith("Cannot")
            assert "Traceback" not in output


class TestDoctor:
    """`flagstone doctor`."""

    def test_a_sound_store(self, place, flags):
        """
        One sentence, status 0.
        """
        output = " ".join(run("doctor", place).split())

        assert "3 records and 0 files verified in" in output
        assert "no damage. 0 unreferenced files removed (0 bytes)." in output
        assert json.loads(run("doctor", place, "--json"))["records"] == 3

    def test_a_damaged_store(self, place):
        """
        A sentence for each damage, status 1.
        """
        with open_store(place) as store:
            ref = store.files.put(io.BytesIO(b"x"), name="a.png")
            store.append([make_flag(outputs={"f": Value(kind="file", data=ref)})])
            store.files.remove([ref.sha256])

        output = " ".join(run("doctor", place, code=1).split())

        assert "The file 'a.png' (" in output
        assert "1 damaged. Nothing was removed." in output
        assert len(json.loads(run("doctor", place, "--json", code=1))["damage"]) == 1

    def test_no_store(self, tmp_path):
        """
        What is not there is not made.
        """
        assert "Cannot read" in run("doctor", tmp_path / "none.db", code=1)
        assert list(tmp_path.iterdir()) == []


HOSTILE = "\x1b]0;pwn\x07\x1b[31m [/nope] [bold]"


class TestSync:
    """`flagstone sync`."""

    def test_it_copies_what_is_missing(self, place, flags, tmp_path):
        """
        The first run copies all, the second finds all there, and the copies are equal.
        """
        target = f"parquet:{tmp_path / 'shards'}"

        first, second = run("sync", place, target), run("sync", place, target)

        assert f"Copied {len(flags)} records and 0 files" in first
        assert f"Copied 0 records and 0 files to {target}; {len(flags)} records were" in second
        assert list(open_store(target).find()) == list(open_store(place).find())

    def test_a_dry_run_makes_nothing(self, place, flags, tmp_path):
        """
        What would be copied is counted; the target is not made.
        """
        output = run("sync", place, tmp_path / "copy.db", "--dry-run", "--json")

        assert json.loads(output) == {"copied": len(flags), "known": 0, "files": 0}
        assert not (tmp_path / "copy.db").exists()

    @pytest.mark.usefixtures("_ctrl_c")
    def test_a_followed_store_is_copied_until_ctrl_c(self, place, flags, tmp_path):
        """
        What is flagged later arrives, and Ctrl-C ends it with a count.
        """
        target = tmp_path / "copy.db"
        command = [sys.executable, "-m", "flagstone", "sync", str(place), str(target), "--follow"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        later = make_flag("later")
        open_store(place).append([later])
        while not (target.exists() and later.id in {flag.id for flag in open_store(target).find()}):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)

        output, _ = process.communicate(timeout=30)

        assert process.returncode == 0
        assert f"Copied {len(flags) + 1} records" in output

    def test_errors_are_a_sentence(self, place, flags, tmp_path):
        """
        A source that is not there, and a store copied to itself, are refused.
        """
        assert "no flags were saved there" in run("sync", tmp_path / "no", place, code=1)
        assert "to itself" in run("sync", place, place, code=1)


def test_what_people_flag_commands_no_terminal(place):
    """
    Escape sequences and markup, in whatever field, are shown as text.
    """
    flag = make_flag(
        HOSTILE, app=HOSTILE, option=HOSTILE, user=HOSTILE, comment=HOSTILE,
        inputs={HOSTILE: Value(kind=HOSTILE, data=[HOSTILE, {HOSTILE: 10**5000}])},
        context={HOSTILE: HOSTILE, "in_doubt": [1]},
    )  # fmt: skip
    with open_store(place) as store:
        store.append([flag, Review(flag_id=flag.id, tags=(HOSTILE,), note=HOSTILE, by=HOSTILE)])

    for output in (
        CliRunner().invoke(app, ["list", "-s", str(place)]).output,
        CliRunner().invoke(app, ["show", flag.id, "-s", str(place)]).output,
        CliRunner().invoke(app, ["doctor", str(place)]).output,
    ):
        assert "\x1b]" not in output
        assert "\x1b[31m" not in output
        assert "Traceback" not in output
    assert "16610" in run("show", flag.id, "-s", place)  # bits: too many digits to spell


def test_deep_data_is_cut_short(place):
    """
    Data nested deeper than a person reads is shown to some depth.
    """
    data = ["x"]
    for _ in range(240):
        data = [data]
    with open_store(place) as store:
        store.append([make_flag(inputs={"deep": Value(kind="json", data=data)})])

    assert "deep: …" in run("list", "-s", place)


@pytest.mark.parametrize("url", ["sqlite:foo", "x" * 300, "x" * 300 + ".db", "[/b]"])
def test_a_place_that_cannot_be(url):
    """
    A URL or path that names nothing is a sentence.
    """
    output = run("list", "--store", url, code=1)

    assert output.startswith("Cannot")
