"""
Which messages are one reply to the page, and where the page shows its reactions.
"""

import gradio
import pytest

from flagstone.gradio.chat.messages import last_question, position_of, replies_of

MESSAGES = int(gradio.__version__.split(".")[0]) >= 6


def told(letters):
    """A message for each letter: of the user, an answer, of the system, a thought, one within."""
    roles = {"u": "user", "s": "system"}
    metadata = {"T": {"title": "Thinking", "id": "t"}, "t": {"title": "Deeper", "parent_id": "t"}}
    return [
        {
            "role": roles.get(letter, "assistant"),
            "metadata": metadata.get(letter),
            "options": None,
            "content": [{"type": "text", "text": str(n)}] * (2 if letter == "2" else 1),
        }
        for n, letter in enumerate(letters)
    ]


@pytest.mark.skipif(not MESSAGES, reason="Gradio before 6 has messages without parts, or pairs")
@pytest.mark.parametrize(
    ("letters", "together", "replies"),
    [
        ("", True, []),
        ("u", True, []),
        ("a", True, [(0, 0, 0, 1)]),
        ("uaua", True, [(1, 1, 0, 1), (3, 3, 1, 1)]),
        ("uaaua", True, [(1, 2, 0, 1), (4, 4, 1, 1)]),
        ("uaaua", False, [(1, 1, 0, 1), (2, 2, 1, 1), (4, 4, 2, 1)]),
        ("u2a", False, [(1, 1, 0, 2), (2, 2, 2, 1)]),
        ("u2a", True, [(1, 2, 0, 1)]),
        ("uasa", True, [(1, 3, 0, 1)]),
        ("suas", True, [(2, 2, 0, 1)]),
        ("uTtaua", True, [(1, 3, 0, 1), (5, 5, 1, 1)]),
        ("uTta", False, [(1, 2, 0, 1), (3, 3, 1, 1)]),
        ("uau", True, [(1, 1, 0, 1)]),
    ],
)
def test_replies(letters, together, replies):
    """
    A reply is what the page puts in one bubble: first and last message, place and width.
    """
    chatbot = gradio.Chatbot(group_consecutive_messages=together)
    found = list(replies_of(chatbot, told(letters)))
    assert [(each.first, each.last, each.place, each.width) for each in found] == replies


def test_replies_in_pairs():
    """
    A pair without an answer is no reply; one without a question goes on in Gradio 5, not in 4.

    Gradio 6 has no pairs.
    """
    if MESSAGES:
        with pytest.raises(TypeError, match="type"):
            gradio.Chatbot(type="tuples")
        return
    pairs = [["one", "a"], [None, "b"], ["two", None], ["three", "c"]]
    found = list(replies_of(gradio.Chatbot(type="tuples"), pairs))
    goes_on = gradio.__version__.startswith("5.")
    expected = [(0, 1, 0), (3, 3, 1)] if goes_on else [(0, 0, 0), (1, 1, 1), (3, 3, 2)]
    assert [(each.first, each.last, each.place) for each in found] == expected
    assert found[-1].before == [*pairs[:3], ["three", None]]
    assert found[-1].reply == [[None, "c"]]
    assert found[0].text == ("a\nb" if goes_on else "a")
    assert last_question(pairs) == 3


@pytest.mark.parametrize(
    ("index", "position"),
    [(3, 3), ([3, 1], 3), ((3, 1), 3), (0, 0), (-1, -1), (True, -1), ("3", -1), ([], -1),
     (None, -1), (2**31, -1), (1.0, -1), ([[1]], -1)],
)  # fmt: skip
def test_positions(index, position):
    """
    The index of an event is a number that may be a message's, or it is none.
    """
    assert position_of(index) == position
