"""
What our constructors take is what the installed Gradio's take, and ours; and they show it.
"""

import inspect
import pydoc

import gradio
import pytest

import flagstone.gradio as gr
from flagstone.gradio.recording.policy import Rules

RULES = [*inspect.signature(Rules).parameters]
INTERFACE = [
    "flagging_mode",
    "allow_flagging",
    "flag_options",
    "flagging_comment",
    "flagging_correction",
]
CHAT = [
    "flagging_mode", "flagging_options", "flagging_dir", "flagging_callback", "flagging_comment",
    "flagging_correction",
]  # fmt: skip
BOTH = pytest.mark.parametrize(
    ("ours", "theirs", "added"),
    [
        (gr.Interface, gradio.Interface, [*INTERFACE, *RULES]),
        (gr.ChatInterface, gradio.ChatInterface, [*CHAT, *RULES]),
    ],
)


@BOTH
def test_the_signature_is_gradios_and_ours(ours, theirs, added):
    """
    All of Gradio's parameters are shown as Gradio has them, then ours, by keyword only.
    """
    shown = inspect.signature(ours).parameters
    host = inspect.signature(theirs).parameters

    assert {name: shown[name] for name in host} == dict(host)
    assert [name for name in shown if name not in host] == [n for n in added if n not in host]
    assert {shown[name].kind for name in added if name not in host} == {
        inspect.Parameter.KEYWORD_ONLY
    }
    if "flagging_rate" not in host:
        rate = shown["flagging_rate"]
        assert (rate.default, rate.annotation) == (600, int | None)
    assert "flagging_comment: bool = False" in pydoc.render_doc(ours)


@BOTH
def test_a_subclass_shows_its_own_signature(ours, theirs, added):
    """
    A subclass with a constructor of its own is shown as it is; one without, as ours.
    """

    class Plain(ours):
        pass

    class Named(ours):
        def __init__(self, name: str) -> None:
            super().__init__(lambda text, history=None: text, title=name)

    assert inspect.signature(Plain) == inspect.signature(ours)
    assert [*inspect.signature(Named).parameters] == ["name"]


@BOTH
def test_an_unknown_keyword_is_named(ours, theirs, added):
    """
    A keyword that neither Gradio nor we have is refused by name.
    """
    fields = ["text", "text"] if ours is gr.Interface else []
    with pytest.raises(TypeError, match="flag_coment"):
        ours(lambda text, history=None: text, *fields, flag_coment=True)


def test_positional_arguments_are_taken_as_in_gradio():
    """
    What Gradio takes by position, we do; what is given twice, or too much, is refused.
    """
    names = [
        name
        for name, each in inspect.signature(gradio.Interface).parameters.items()
        if each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    ]
    given = {"fn": abs, "inputs": "number", "outputs": "number", "allow_flagging": "auto"}
    given |= {"flagging_callback": gr.SimpleCSVLogger(), "flagging_dir": "elsewhere"}
    host = inspect.signature(gradio.Interface).parameters
    args = [given.get(name, host[name].default) for name in names]

    demo = gr.Interface(*args)

    assert demo.fn is abs
    assert demo.flagging_mode == ("auto" if "allow_flagging" in names else "manual")
    assert isinstance(
        demo.flagging_callback,
        gr.SimpleCSVLogger if "flagging_callback" in names else gr.CSVLogger,
    )
    with pytest.raises(TypeError, match="inputs was given twice"):
        gr.Interface(abs, "number", "number", inputs="text")
    with pytest.raises(TypeError, match="positional arguments"):
        gr.Interface(*args, None)
    with pytest.raises(TypeError, match="fn"):
        gr.Interface()


@pytest.mark.parametrize("mode", ["manual", "auto"])
@pytest.mark.parametrize("name", ["flagging_mode", "allow_flagging"])
def test_an_own_wiring_finds_what_gradios_uses(name, mode):
    """
    A subclass that wires the flagging itself finds all that Gradio's own method reads, as Gradio's.
    """
    found = {}

    class Own(gr.Interface):
        def attach_flagging_events(self, flag_btns, _clear_btn, _submit_event):
            found.update(
                modes=(self.flagging_mode, self.allow_flagging),
                flagging=(self.flagging_options, self.flagging_callback, self.flagging_dir),
                fields=(len(self.input_components), len(self.output_components)),
                kind=self.interface_type.name,
            )
            gradio.Interface.attach_flagging_events(self, flag_btns, _clear_btn, _submit_event)

    options = [("Wrong!", "wrong"), ("Rude!", "rude")]
    callback = gr.CSVLogger()
    demo = Own(
        abs, "number", "number", flagging_options=options, flagging_callback=callback,
        flagging_dir="here", **{name: mode},
    )  # fmt: skip

    assert found == {
        "modes": (mode, mode),
        "flagging": (options, callback, "here"),
        "fields": (1, 1),
        "kind": "STANDARD",
    }
    names = [getattr(each.fn, "__name__", "") for each in demo.fns.values()]
    assert names.count("Flag") == (1 if mode == "auto" else 2)  # Gradio's own wiring
