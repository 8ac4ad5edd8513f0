"""
The errors: each message is tested in full, and the tree in the docstring is the real one.
"""

import inspect
import re

import pytest

from flagstone import errors


def test_the_tree_is_as_drawn():
    """
    The docstring of `flagstone.errors` lists every error below its parent.
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
            "Cannot save field 'x': it is a set. Nothing was saved. Flag text, numbers, lists, "
            "dicts or files instead, or omit this field.",
            ValueError,
        ),
        (
            errors.WrongPayloadError(field="f", component="Image", found="a numpy.ndarray"),
            "Cannot save field 'f': it is not the payload of Image but a numpy.ndarray, the "
            "value that functions receive. Nothing was saved. Set preprocess=False on the event "
            "that calls flag().",
            errors.UnserializableValueError,
        ),
        (
            errors.WrongPayloadError(field="f", component="Image"),
            "Cannot save field 'f': it is not the payload of Image. Nothing was saved. If your "
            "own event calls flag(), set preprocess=False on it.",
            ValueError,
        ),
        (
            errors.NotSetUpError(callback="CSVLogger", values=2),
            "Cannot save a flag of 2 values for 0 fields: setup() of this CSVLogger was not "
            "called. Nothing was saved. Call setup([component, …], folder) before flag(), or "
            "pass it to an Interface as flagging_callback.",
            errors.WrongFieldsError,
        ),
        (
            errors.InvalidRecordError(
                record="Outcome", field="seconds", expected="a number", given="x" * 200
            ),
            f"Cannot create an Outcome: seconds must be a number, not '{'x' * 37}...{'x' * 38}'. "
            "Nothing was saved.",
            TypeError,
        ),
        (
            errors.WrongFieldsError(fields=["a", "b"], values=1),
            "Cannot save a flag of 1 value for 2 fields (a, b): the numbers differ. Nothing was "
            "saved. Pass flag() one value for each component given to setup().",
            ValueError,
        ),
        (
            errors.UntrustedFileError(field="f", path="/etc/passwd", reason="it is not yours"),
            "Cannot save the file '/etc/passwd' of field 'f': it is not yours. The file was not "
            "read and nothing was saved. Only files that were uploaded to the demo or returned "
            "by its function can be flagged.",
            ValueError,
        ),
        (
            errors.MissingFileError(where="flags", record="i", name="a.png", sha256="0" * 64),
            "Cannot save record i in flags: its file 'a.png' (000000000000…) is not there. "
            "Nothing was saved. Save the file first: store.files.put(…).",
            ValueError,
        ),
        (
            errors.StoreError(doing="save the flag in", where="flags.db", reason="it is locked"),
            "Cannot save the flag in flags.db: it is locked. The stored data is unchanged. Fix "
            "the problem and try again.",
            errors.FlagstoneError,
        ),
        (
            errors.StoreFullError(where="flags.db"),
            "Cannot save the flag in flags.db: no space is left there. The stored data is "
            "unchanged and nothing was written partially. Free some space and flag again.",
            errors.StoreError,
        ),
        (
            errors.UnfinishedErasureError(where="flags.db", reason="it is being read"),
            "Cannot finish the erasure in flags.db yet: it is being read. Erased flags are no "
            "longer shown there, but the medium may still contain them. Once this is resolved, "
            "run `flagstone doctor` for this store, or erase again.",
            errors.StoreError,
        ),
        (
            errors.NothingToForgetError(asked=("x", "user:ana"), where="flags.db"),
            "Cannot forget x, user:ana: flags.db has no flag with that id or user, and no such "
            "id was erased there. All other requested flags were erased. `flagstone list` shows "
            "the ids, `flagstone stats` the users; pass the folder or database that the demo "
            "writes to with --store.",
            LookupError,
        ),
        (
            errors.UnreadableRecordError(where="flags.db, row 1", reason="it is torn"),
            "Cannot read the record at flags.db, row 1: it is torn. The store was not changed. "
            "Repair or remove that record; the others are not affected.",
            errors.StoreError,
        ),
        (
            errors.DamagedFileError(where="flags.db", reason="its file 'a.wav' is not there"),
            "Cannot read the record at flags.db: its file 'a.wav' is not there. The store was "
            "not changed. Repair or remove that record; the others are not affected.",
            errors.UnreadableRecordError,
        ),
        (
            errors.ChangingFileError(path="a.mp4"),
            "Cannot save the file 'a.mp4': it was modified while it was read. Nothing was "
            "saved. Flag again when the file is complete.",
            ValueError,
        ),
        (
            errors.TooLargeError(size=2_500_000, most=1_000_000),
            "Cannot save a flag of 2,500,000 bytes: the limit is 1,000,000. Nothing was saved. "
            "Raise flagging_size, or set it to None for no limit.",
            errors.RejectedFlagError,
        ),
        (
            errors.TooLongError(what="mime_type", most=1_000),
            "Cannot save the flag: its mime type is longer than 1,000 characters. Nothing was "
            "saved. Shorten it.",
            errors.RejectedFlagError,
        ),
        (
            errors.TooManyFlagsError(most=600),
            "Cannot save the flag: its session sent more than 600 within a minute. Nothing was "
            "saved. Raise flagging_rate, or set it to None for no limit.",
            errors.RejectedFlagError,
        ),
        (
            errors.NoConsentError(),
            "Cannot save the flag: the visitor did not tick the demo's consent box. Nothing was "
            "saved. The box must be ticked on the page.",
            errors.RejectedFlagError,
        ),
        (
            errors.RedactedError(),
            "Cannot save the flag: the demo's redact function returned None. Nothing was saved. "
            "Flag something else, or change the function.",
            errors.RejectedFlagError,
        ),
        (
            errors.NoSuchReplyError(index=999),
            "Cannot save the reaction to message 999: the conversation has no such reply. "
            "Nothing was saved. React to a reply that is shown.",
            errors.RejectedFlagError,
        ),
        (
            errors.WithdrawnFlagError(flag_id="f1"),
            "Cannot save a comment on flag f1: the flag was withdrawn or erased. Nothing was "
            "saved. React to the reply again, then comment.",
            errors.RejectedFlagError,
        ),
        (
            errors.NoSuchOptionError(option="x", options=["a", "b"]),
            "Cannot save the flag: the demo has no option 'x'. Nothing was saved. Its options "
            "are a, b.",
            errors.RejectedFlagError,
        ),
        (
            errors.ForeignCallbackError(callback=object(), what="conversations"),
            "Cannot use object here: it does not support conversations. The demo was not built. "
            "Use FlagLogger, CSVLogger or ClassicCSVLogger of flagstone.gradio.",
            TypeError,
        ),
        (
            errors.AmbiguousFieldsError(functions=["classify", "explain"]),
            "Cannot determine what to flag: the demo has several functions (classify, explain) "
            "with inputs and outputs. The demo was not changed. Pass the fields: attach(demo, "
            "inputs=[…], outputs=[…]), once for each panel.",
            ValueError,
        ),
        (
            errors.AmbiguousFieldsError(functions=[]),
            "Cannot determine what to flag: the demo has no function with inputs and outputs. "
            "The demo was not changed. Pass the fields: attach(demo, inputs=[…], outputs=[…]), "
            "once for each panel.",
            ValueError,
        ),
        (
            errors.UnreadableValueError(kind="label", reason="it is a table"),
            "Cannot read a value of kind 'label': it is a table. The store was not changed. The "
            "stored data is in `value.data`; file contents need a flag that was read from a "
            "store.",
            errors.StoreError,
        ),
        (
            errors.UnknownFieldError(field="lable", fields=["label", "text"]),
            "Cannot use 'lable' as an output: no flag has such a field. Nothing was copied. The "
            "fields are label, text.",
            LookupError,
        ),
        (
            errors.OtherDemoError(demo=["image", "label"], log=["text"]),
            "Cannot read the log with this demo: they have no field in common. Nothing was "
            "copied. The fields of the demo are image, label; those of the log are text. Pass "
            "the demo that wrote the log.",
            ValueError,
        ),
        (
            errors.UnloadableDemoError(target="app.py:x", reason="there is no app.py"),
            "Cannot load the demo app.py:x: there is no app.py. Nothing was served and nothing "
            "was saved. Give the file and the name of the demo in it: app.py:demo.",
            ImportError,
        ),
        (
            errors.SamePlaceError(where="flagged"),
            "Cannot copy flagged to itself: every flag would be stored twice. Nothing was "
            "copied. Name another store, such as flagged.db.",
            ValueError,
        ),
        (
            errors.UnknownStoreError(url="x:y"),
            "Cannot open 'x:y': it matches no kind of store. Use a folder or csv:PATH for CSV "
            "files, sqlite:///PATH or a path ending in .db for SQLite, parquet:PATH-OR-URL for "
            "Parquet, hf://datasets/USER/NAME for a dataset on the Hub, or memory:.",
            ValueError,
        ),
        (
            errors.NoStoreError(where="flags.db"),
            "Cannot read flags.db: no flags were saved there. Name the folder or database that "
            "the demo writes to.",
            LookupError,
        ),
        (
            errors.LostCopyError(where="b.db", noted_in="a.db.targets"),
            "Cannot find the copy b.db: no store is there, or access to it was denied. Nothing "
            "was created there. Restore it, or name its new location with --also; if it was "
            "deleted for good, remove its line from a.db.targets.",
            LookupError,
        ),
        (
            errors.RedactedURLError(where="parquet:ftp://***@h/f"),
            "Cannot open the copy parquet:ftp://***@h/f: its URL had a secret, which is not "
            "stored. The copy was not changed. Pass the full URL with --also.",
            errors.FlagstoneError,
        ),
        (
            errors.NotForgottenError(reasons={"b.db": "It is away.", "c.db": "It is torn."}),
            "Cannot forget in b.db, c.db: the flags may still be there. It is away. It is torn. "
            "All other stores were processed. Fix the problem and run the command again.",
            errors.FlagstoneError,
        ),
        (
            errors.UnknownFlagError(flag_id="i", where="flags.db"),
            "Cannot find flag 'i' in flags.db: no flag has this id. `flagstone list` shows the "
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
            "Cannot export to /home/ana: it exists and is not a Flagstone export. It was not "
            "changed and nothing was written. Choose a folder that does not exist, is empty, or "
            "holds an earlier export.",
            FileExistsError,
        ),
        (
            errors.NothingToExportError(where="flags.db", format="csv", flags=0),
            "Cannot export from flags.db as csv: no flag matches the query. Nothing was "
            "written. Select other flags, or another format; docs/export.md lists what each "
            "format needs.",
            LookupError,
        ),
        (
            errors.NothingToExportError(where="flags.db", format="chat", flags=1200),
            "Cannot export from flags.db as chat: none of 1,200 flags fits this format. Nothing "
            "was written. Select other flags, or another format; docs/export.md lists what each "
            "format needs.",
            LookupError,
        ),
        (
            errors.MissingExtraError(asked="flagstone demo", extra="demo"),
            "Cannot use flagstone demo: a required package is not installed. Install it with: "
            "pip install 'flagstone[demo]'",
            ImportError,
        ),
        (
            errors.NoUsersError(host="0.0.0.0"),
            "Cannot serve the review page on 0.0.0.0: anyone could read flags and decide. "
            "Nothing was started. Add users with `flagstone review-user users.txt NAME` and "
            "pass --users users.txt, or omit --host to serve this machine only.",
            ValueError,
        ),
        (
            errors.UntrustedProxyError(header="X-User", reason="no address of a proxy is named"),
            "Cannot trust X-User: no address of a proxy is named, so anyone could send it. "
            "Nothing was started. Pass the address of the proxy with --proxy ADDRESS. Also "
            "configure the proxy to send the secret of --proxy-secret in X-Proxy-Secret, or "
            "confirm with --trust-proxy-address that only the proxy can connect from there.",
            ValueError,
        ),
        (
            errors.UsersError(doing="read", where="users.txt", reason="it is no file of users"),
            "Cannot read the users in users.txt: it is no file of users. The file was not "
            "changed. `flagstone review-user FILE NAME` adds a user to it.",
            errors.FlagstoneError,
        ),
        (
            errors.BadQueryError(
                part="colour:red",
                reason="there is no property 'colour'",
                properties=("app", "tag"),
            ),
            "Cannot search for 'colour:red': there is no property 'colour'. A query contains "
            "words to find, and any of app:, tag: followed by a value; put text with special "
            "characters in double quotes.",
            ValueError,
        ),
    ],
)
def test_the_words(error, sentence, parent):
    """
    Each error says what, where, why, what is unchanged and how to fix it.
    """
    assert str(error) == sentence
    assert isinstance(error, parent)


def test_a_visitor_reads_no_paths():
    """
    The message for visitors shows no path of the server.
    """
    for error in (
        errors.StoreError(doing="keep in", where="/srv/secret", reason="/srv/secret is locked"),
        errors.StoreFullError(where="/srv/secret"),
    ):
        assert "secret" not in error.to_person
        assert "Nothing was saved" in error.to_person


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            errors.TooLargeError(size=2_500_000_000, most=50_000),
            "It is larger than 50,000 bytes, the limit of this demo. Nothing was saved.",
        ),
        (
            errors.TooLongError(what="mime_type", most=1_000),
            "Its mime type is longer than 1,000 characters. Nothing was saved.",
        ),
        (
            errors.TooManyFlagsError(most=600),
            "You sent more than 600 in a minute. Nothing was saved; wait and try again.",
        ),
        (errors.NoConsentError(), "Tick the consent box above first. Nothing was saved."),
        (errors.RedactedError(), "This demo does not save what you entered. Nothing was saved."),
        (
            errors.NoSuchReplyError(index=1),
            "This reply no longer exists. Nothing was saved.",
        ),
        (
            errors.WithdrawnFlagError(flag_id="f1"),
            "The reaction was withdrawn. Nothing was saved; react again to comment.",
        ),
    ],
)
def test_the_words_to_a_visitor(error, sentence):
    """
    The message for visitors says why the flag was refused and what to do.
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
    A size is shown in bytes below 100,000, and in megabytes from there on.
    """
    assert errors.megabytes(size) == words
