"""
No text that somebody flagged runs in a spreadsheet, and all of it comes back to the character.
"""

import csv
import unicodedata

import pytest

from flagstone import Review, open_store
from flagstone.exporters.export import export
from flagstone.testing import make_flag

UNSEEN = [
    *("", " ", "\t", "\r", "\n", "\0", "\x01", "\x1b", "\x7f", "\x85", "\xa0", "\xad"),
    *("\ufeff", "\u200b", "\u200e", "\u202e", "\u2060", "\u2028", "\u2029", "\u3000", "\u3164"),
    *("\u2800", "\ufe0f", "\U000e0001", "\ufeff\u200b\0 ", "\u180e", "\u061c", "\u115f"),
]
"""What a spreadsheet drops, or shows as nothing, before it looks for a formula."""

SIGNS = ["=", "+", "-", "@", "＝", "＋", "－", "＠", "﹦", "﹢", "﹣", "﹫", "−"]  # noqa: RUF001
FORMULAS = [
    f"{before}{sign}cmd|' /C calc'!A0"
    for before in UNSEEN
    for sign in ("=", "＝")  # noqa: RUF001
] + [f"\u200b{sign}1+1" for sign in SIGNS]


def is_safe(cell: str) -> bool:
    """Whether the first thing of *cell* that is seen is none of a formula's."""
    for character in cell:
        if (
            unicodedata.category(character)[0] not in "CZM"
            and character not in "\u3164\u115f\u2800"
        ):
            return character not in SIGNS
    return True


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_formula_is_made_safe_and_comes_back(tmp_path, formula):
    """
    In each cell and each header of a log an apostrophe stands first, and the record is as it was.
    """
    flag = make_flag(formula, app=formula, user=formula, comment=formula, option=formula)
    flag = make_flag(
        inputs={formula: flag.inputs["text"]}, user=formula, comment=formula, option=formula
    )
    review = Review(flag_id=flag.id, by=formula, note=formula, tags=(formula,), assignee=formula)
    with open_store(f"csv:{tmp_path / 'flags'}") as store:
        store.append([flag, review])
        assert list(store.scan()) == [flag, review]
        export(store, tmp_path / "out", format="csv")

    paths = [*(tmp_path / "flags").glob("*.csv"), tmp_path / "out" / "flags.csv"]
    for path in paths:
        with path.open(newline="", encoding="utf-8") as file:
            unsafe = [cell for row in csv.reader(file) for cell in row if not is_safe(cell)]
        assert (path.name, unsafe) == (path.name, [])
    assert len(paths) == 3
