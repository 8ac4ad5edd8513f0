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
            errors.UnkeepableValueError(where="field 'x'", reason="it is a set"),
            "Cannot keep field 'x': it is a set. Nothing was kept. Flag text, numbers, lists, "
            "dicts and files instead, or leave this field out.",
            ValueError,
        ),
        (
            errors.WrongFieldsError(fields=["a", "b"], values=1),
            "Cannot keep a flag of 1 value for 2 fields (a, b): which value belongs to which field "
            "cannot be told. Nothing was kept. Pass flag() one value for each component given to "
            "setup().",
            ValueError,
        ),
        (
            errors.ForeignFileError(field="f", path="/etc/passwd", reason="it is not yours"),
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
            errors.UnreadableRecordError(where="flags.db, row 1", reason="it is torn"),
            "Cannot read the record at flags.db, row 1: it is torn. The store was not changed. "
            "Mend or remove that record; the others are not touched by it.",
            errors.StoreError,
        ),
        (
            errors.ChangingFileError(path="a.mp4"),
            "Cannot keep the file 'a.mp4': it was written to while it was read. Nothing was kept. "
            "Flag again when it is complete.",
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
            errors.SamePlaceError(where="flagged"),
            "Cannot copy flagged to itself: every flag would be there twice. Nothing was copied. "
            "Name another store, such as flagged.db.",
            ValueError,
        ),
        (
            errors.UnknownStoreError(url="x:y"),
            "Cannot open 'x:y': it names no kind of store. Use a folder or csv:PATH for CSV files, "
            "sqlite:///PATH or a path ending in .db for SQLite, or memory:.",
            ValueError,
        ),
        (
            errors.NoStoreError(where="flags.db"),
            "Cannot read flags.db: nothing has been kept there. Name the folder or database that "
            "the demo writes to with --store.",
            LookupError,
        ),
        (
            errors.UnknownFlagError(flag_id="i", where="flags.db"),
            "Cannot find flag 'i' in flags.db: none there has this id. `flagstone list` shows the "
            "ids.",
            LookupError,
        ),
        (
            errors.MissingExtraError(asked="flagstone demo", extra="demo"),
            "Cannot use flagstone demo: what it needs is not installed. Install it with: pip "
            "install 'flagstone[demo]'",
            ImportError,
        ),
        (
            errors.NotYetError(name="X", instead="Use Y."),
            "X is not in this version of Flagstone, and the installed Gradio has none. Use Y.",
            AttributeError,
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
