"""
The errors: a sentence each, tested whole; and the tree drawn in the module is the tree there is.
"""

import inspect
import re

import pytest

from flagstone import errors


def test_the_tree_is_as_drawn():
    """
    The docstring of errors.py names every error, below its parent.
    """
    assert errors.__doc__ is not None
    drawn: dict[str, int] = {}
    for line in errors.__doc__.splitlines():
        if match := re.search(r"[├└]── (\w+)", line):
            drawn[match[1]] = match.start() // 4
    real = {
        name: len([base for base in cls.__mro__ if issubclass(base, errors.FlagstoneError)]) - 1
        for name, cls in vars(errors).items()
        if inspect.isclass(cls) and cls is not errors.FlagstoneError
    }
    assert drawn == real


@pytest.mark.parametrize(
    ("error", "sentence", "parent"),
    [
        (
            errors.UnserializableValueError(where="field 'x'", reason="it is a set"),
            "Cannot keep field 'x': it is a set. Nothing was kept. Flag text, numbers, lists, "
            "dicts and files instead, or leave this field out.",
            ValueError,
        ),
        (
            errors.WrongPayloadError(field="f", component="Image", found="a numpy.ndarray"),
            "Cannot keep field 'f': it is not what a Image holds on the page but a numpy.ndarray, "
            "which is what a function gets. Nothing was kept. Give the event that calls flag() "
            "preprocess=False.",
            errors.UnserializableValueError,
        ),
        (
            errors.WrongPayloadError(field="f", component="Image"),
            "Cannot keep field 'f': it is not what a Image holds. Nothing was kept. If an event of "
            "yours calls flag(), give it preprocess=False.",
            ValueError,
        ),
        (
            errors.NotSetUpError(callback="CSVLogger", values=2),
            "Cannot keep a flag of 2 values for 0 fields: setup() of this CSVLogger was never "
            "called. Nothing was kept. Call setup([component, …], folder) before flag(), or hand "
            "it to an Interface as its flagging_callback.",
            errors.WrongFieldsError,
        ),
        (
            errors.InvalidRecordError(
                record="Outcome", field="seconds", expected="a number", given="x" * 200
            ),
            f"Cannot make an Outcome: seconds must be a number, not '{'x' * 37}...{'x' * 38}'. "
            "Nothing was saved.",
            TypeError,
        ),
        (
            errors.WrongFieldsError(fields=["a", "b"], values=1),
            "Cannot keep a flag of 1 value for 2 fields (a, b): which value belongs to which field "
            "cannot be told. Nothing was kept. Pass flag() one value for each component given to "
            "setup().",
            ValueError,
        ),
        (
            errors.UntrustedFileError(field="f", path="/etc/passwd", reason="it is not yours"),
            "Cannot keep the file '/etc/passwd' of field 'f': it is not yours. The file was not "
            "read and nothing was kept. Only files that were uploaded to the demo or returned by "
            "its function can be flagged.",
            ValueError,
        ),
        (
            errors.MissingFileError(where="flags", record="i", name="a.png", sha256="0" * 64),
            "Cannot keep record i in flags: its file 'a.png' (000000000000…) is not there. Nothing "
            "was kept. Put the file first: store.files.put(…).",
            ValueError,
        ),
        (
            errors.StoreError(doing="keep the flag in", where="flags.db", reason="it is locked"),
            "Cannot keep the flag in flags.db: it is locked. What was kept before is untouched. "
            "Mend the cause and try again.",
            errors.FlagstoneError,
        ),
        (
            errors.StoreFullError(where="flags.db"),
            "Cannot keep the flag in flags.db: no space is left there. What was kept before is "
            "untouched, and nothing was half-written. Free some space and flag again.",
            errors.StoreError,
        ),
        (
            errors.UnfinishedErasureError(where="flags.db", reason="it is being read"),
            "Cannot finish the erasure in flags.db yet: it is being read. No flag that was erased "
            "is shown there, but the medium may still have it. When that has changed, run "
            "`flagstone doctor` for this store, or forget again.",
            errors.StoreError,
        ),
        (
            errors.NothingToForgetError(asked=("x", "user:ana"), where="flags.db"),
            "Cannot forget x, user:ana: no flag of that id or user is in flags.db now, and no such "
            "id was erased there. All else that was asked for is forgotten. `flagstone list` shows "
            "the ids, `flagstone stats` the users; name the folder or database that the demo "
            "writes to with --store.",
            LookupError,
        ),
        (
            errors.UnreadableRecordError(where="flags.db, row 1", reason="it is torn"),
            "Cannot read the record at flags.db, row 1: it is torn. The store was not changed. "
            "Mend or remove that record; the others are not touched by it.",
            errors.StoreError,
        ),
        (
            errors.DamagedFileError(where="flags.db", reason="its file 'a.wav' is not there"),
            "Cannot read the record at flags.db: its file 'a.wav' is not there. The store was not "
            "changed. Mend or remove that record; the others are not touched by it.",
            errors.UnreadableRecordError,
        ),
        (
            errors.ChangingFileError(path="a.mp4"),
            "Cannot keep the file 'a.mp4': it was written to while it was read. Nothing was kept. "
            "Flag again when it is complete.",
            ValueError,
        ),
        (
            errors.TooLargeError(size=2_500_000, most=1_000_000),
            "Cannot keep a flag of 2,500,000 bytes: 1,000,000 is the most. Nothing was kept. "
            "Raise flag_size, or None for no limit.",
            errors.RejectedFlagError,
        ),
        (
            errors.TooLongError(what="mime_type", most=1_000),
            "Cannot keep the flag: its mime type is longer than 1,000 characters. Nothing was "
            "kept. Shorten it.",
            errors.RejectedFlagError,
        ),
        (
            errors.TooManyFlagsError(most=600),
            "Cannot keep the flag: its session sent more than 600 within a minute. Nothing was "
            "kept. Raise flag_rate, or None for no limit.",
            errors.RejectedFlagError,
        ),
        (
            errors.NoConsentError(),
            "Cannot keep the flag: the person did not agree to the demo's consent line. Nothing "
            "was kept. The line has to be ticked on the page.",
            errors.RejectedFlagError,
        ),
        (
            errors.RedactedError(),
            "Cannot keep the flag: the demo's redact function gave None for it. Nothing was kept. "
            "Flag something else, or change redact.",
            errors.RejectedFlagError,
        ),
        (
            errors.NoSuchReplyError(index=999),
            "Cannot keep the reaction to message 999: the conversation has no such reply. Nothing "
            "was kept. React to a reply that is shown.",
            errors.RejectedFlagError,
        ),
        (
            errors.WithdrawnFlagError(flag_id="f1"),
            "Cannot keep a comment on flag f1: the flag was taken back or erased. Nothing was "
            "kept. React to the reply again, then comment.",
            errors.RejectedFlagError,
        ),
        (
            errors.NoSuchOptionError(option="x", options=["a", "b"]),
            "Cannot keep the flag: the demo has no option 'x'. Nothing was kept. Its options are "
            "a, b.",
            errors.RejectedFlagError,
        ),
        (
            errors.ForeignCallbackError(callback=object(), what="conversations"),
            "Cannot use object here: it keeps no conversations. The demo was not built. Use "
            "FlagLogger, CSVLogger or ClassicCSVLogger of flagstone.gradio.",
            TypeError,
        ),
        (
            errors.AmbiguousFieldsError(functions=["classify", "explain"]),
            "Cannot tell what to flag: of functions with inputs and outputs the demo has more than "
            "one (classify, explain). The demo was not changed. Say which fields: attach(demo, "
            "inputs=[…], outputs=[…]), once for each panel.",
            ValueError,
        ),
        (
            errors.AmbiguousFieldsError(functions=[]),
            "Cannot tell what to flag: of functions with inputs and outputs the demo has none. The "
            "demo was not changed. Say which fields: attach(demo, inputs=[…], outputs=[…]), once "
            "for each panel.",
            ValueError,
        ),
        (
            errors.UnreadableValueError(kind="label", reason="it is a table"),
            "Cannot read a value of kind 'label': it is a table. The store was not changed. "
            "`value.data` has it as it was kept; read flags from their store to have their files.",
            errors.StoreError,
        ),
        (
            errors.UnknownFieldError(field="lable", fields=["label", "text"]),
            "Cannot take 'lable' for an output: no flag has such a field. Nothing was copied. "
            "The fields are label, text.",
            LookupError,
        ),
        (
            errors.OtherDemoError(demo=["image", "label"], log=["text"]),
            "Cannot read the log by this demo: they have no field in common. Nothing was copied. "
            "The demo's fields are image, label, the log's text. "
            "Name the demo that wrote the log.",
            ValueError,
        ),
        (
            errors.UnloadableDemoError(target="app.py:x", reason="there is no app.py"),
            "Cannot load the demo app.py:x: there is no app.py. Nothing was served and nothing was "
            "kept. Name the file and the demo in it: app.py:demo.",
            ImportError,
        ),
        (
            errors.SamePlaceError(where="flagged"),
            "Cannot copy flagged to itself: every flag would be there twice. Nothing was copied. "
            "Name another store, such as flagged.db.",
            ValueError,
        ),
        (
            errors.UnknownStoreError(url="x:y"),
            "Cannot open 'x:y': it names no kind of store. Use a folder or csv:PATH for CSV files, "
            "sqlite:///PATH or a path ending in .db for SQLite, parquet:PATH-OR-URL for Parquet, "
            "hf://datasets/USER/NAME for a dataset of the Hub, or memory:.",
            ValueError,
        ),
        (
            errors.NoStoreError(where="flags.db"),
            "Cannot read flags.db: nothing has been kept there. Name the folder or database that "
            "the demo writes to.",
            LookupError,
        ),
        (
            errors.LostCopyError(where="b.db", noted_in="a.db.targets"),
            "Cannot find the copy b.db: no store is there now, or none that may be seen. Nothing "
            "was made there. Bring it back, or name its new place with --also; when it is gone for "
            "good, take its line out of a.db.targets.",
            LookupError,
        ),
        (
            errors.RedactedURLError(where="parquet:ftp://***@h/f"),
            "Cannot open the copy parquet:ftp://***@h/f: its URL had a secret, which is not kept. "
            "Nothing was done there. Name it in full with --also.",
            errors.FlagstoneError,
        ),
        (
            errors.NotForgottenError(reasons={"b.db": "It is away.", "c.db": "It is torn."}),
            "Cannot forget in b.db, c.db: what is asked for may still be there. It is away. It is "
            "torn. No other place is kept from forgetting by that. Once that is mended run it "
            "again: what is gone already does not matter.",
            errors.FlagstoneError,
        ),
        (
            errors.UnknownFlagError(flag_id="i", where="flags.db"),
            "Cannot find flag 'i' in flags.db: none there has this id. `flagstone list` shows the "
            "ids.",
            LookupError,
        ),
        (
            errors.UnknownFormatError(format="xml", formats=["parquet", "csv"]),
            "Cannot export as 'xml': there is no such format. Nothing was written. The formats are "
            "parquet, csv.",
            ValueError,
        ),
        (
            errors.ForeignFolderError(where="/home/ana"),
            "Cannot export to /home/ana: something is there that is no export of Flagstone. It was "
            "not touched and nothing was written. Name a folder that is not there yet, is empty, "
            "or holds an earlier export.",
            FileExistsError,
        ),
        (
            errors.NothingToExportError(where="flags.db", format="csv", flags=0),
            "Cannot export from flags.db as csv: no flag is asked for. Nothing was written. Ask "
            "for other flags, or for another format; docs/export.md says what each is made of.",
            LookupError,
        ),
        (
            errors.NothingToExportError(where="flags.db", format="chat", flags=1200),
            "Cannot export from flags.db as chat: none of 1,200 has what it takes. Nothing was "
            "written. Ask for other flags, or for another format; docs/export.md says what each "
            "is made of.",
            LookupError,
        ),
        (
            errors.MissingExtraError(asked="flagstone demo", extra="demo"),
            "Cannot use flagstone demo: what it needs is not installed. Install it with: pip "
            "install 'flagstone[demo]'",
            ImportError,
        ),
        (
            errors.NoUsersError(host="0.0.0.0"),
            "Cannot serve the review page on 0.0.0.0: whoever reaches it could read and decide. "
            "Nothing was started. Name people with `flagstone review-user users.txt NAME` and add "
            "--users users.txt, or leave out --host to serve this machine only.",
            ValueError,
        ),
        (
            errors.UntrustedProxyError(header="X-User", reason="no address of a proxy is named"),
            "Cannot believe X-User: no address of a proxy is named, so that anybody could send it. "
            "Nothing was started. Name the proxy with --proxy ADDRESS, and have it send a secret "
            "in X-Proxy-Secret that --proxy-secret names, or say with --trust-proxy-address that "
            "nobody else can connect from there.",
            ValueError,
        ),
        (
            errors.UsersError(doing="read", where="users.txt", reason="it is no file of users"),
            "Cannot read the users in users.txt: it is no file of users. The file was not changed. "
            "`flagstone review-user FILE NAME` adds a person to it.",
            errors.FlagstoneError,
        ),
        (
            errors.BadQueryError(
                part="colour:red",
                reason="there is no property 'colour'",
                properties=("app", "tag"),
            ),
            "Cannot search for 'colour:red': there is no property 'colour'. A query is words to be "
            "found, and one of app:, tag: with what is asked for; what is to be found as it stands "
            "goes in double quotes.",
            ValueError,
        ),
    ],
)
def test_the_words(error, sentence, parent):
    """
    Each error says what, where, why, what is untouched and the way out; its parent is guessable.
    """
    assert str(error) == sentence
    assert isinstance(error, parent)


def test_a_visitor_reads_no_paths():
    """
    What a visitor of a demo may read names no place on the server.
    """
    for error in (
        errors.StoreError(doing="keep in", where="/srv/secret", reason="/srv/secret is locked"),
        errors.StoreFullError(where="/srv/secret"),
    ):
        assert "secret" not in error.to_person
        assert "Nothing was kept" in error.to_person


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            errors.TooLargeError(size=2_500_000_000, most=50_000),
            "It is larger than the 50,000 bytes that this demo keeps. Nothing was kept.",
        ),
        (
            errors.TooLongError(what="mime_type", most=1_000),
            "Its mime type is longer than 1,000 characters. Nothing was kept.",
        ),
        (
            errors.TooManyFlagsError(most=600),
            "That is more than 600 in a minute. Nothing was kept; wait a little and try again.",
        ),
        (errors.NoConsentError(), "Tick the line above first. Nothing was kept."),
        (errors.RedactedError(), "This demo does not keep what you entered. Nothing was kept."),
        (
            errors.NoSuchReplyError(index=1),
            "There is no such reply any more. Nothing was kept.",
        ),
        (
            errors.WithdrawnFlagError(flag_id="f1"),
            "The reaction was taken back. Nothing was kept; react again to comment.",
        ),
    ],
)
def test_the_words_to_a_visitor(error, sentence):
    """
    A visitor whose flag is refused reads why in words of the page, and what to do.
    """
    assert error.to_person == sentence


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (1_000, "1,000 bytes"),
        (99_999, "99,999 bytes"),
        (100_000, "0.1 MB"),
        (1_000_000, "1.0 MB"),
        (1_000_000_000, "1,000.0 MB"),
    ],
)
def test_sizes_for_people(size, words):
    """
    A size is told in bytes while it is small, and in megabytes of a million from a tenth of one.
    """
    assert errors.megabytes(size) == words
