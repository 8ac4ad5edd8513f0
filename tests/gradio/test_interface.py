"""
Our Interface and our names: Gradio's, with the flagging parameters of every version.
"""

from typing import Any

import gradio
import gradio.flagging
import httpx
import numpy as np
import pytest
from demo_page import numbers_of

import flagstone.gradio as gr
from flagstone import open_store
from flagstone.gradio.executor import unwrap
from flagstone.gradio.interface import FlagMethod
from flagstone.gradio.recording.capture import capture_of


def image_classifier(inp):
    return {"cat": 0.3, "dog": 0.7}


def echo(**kwargs):
    return gr.Interface(lambda x: x, "text", "text", **kwargs)


def flag_methods(demo: gradio.Blocks) -> list[FlagMethod]:
    found = [unwrap(f.fn) for f in demo.fns.values()]
    return [each for each in found if isinstance(each, FlagMethod)]


class TestNames:
    def test_every_public_name_is_there(self):
        """
        What the installed Gradio has is here, its own object but for what flags.
        """
        ours = {
            "CSVLogger",
            "ChatInterface",
            "HuggingFaceDatasetSaver",
            "SimpleCSVLogger",
            "Interface",
            "flagging",
            "interface",
        }
        for name in dir(gradio):
            if not name.startswith("_"):
                assert (getattr(gr, name) is getattr(gradio, name)) is (name not in ours), name
                assert name in dir(gr)
        assert gr.__version__ == gradio.__version__
        assert issubclass(gr.Interface, gradio.Interface)
        assert gr.flagging.ClassicCSVLogger is gr.ClassicCSVLogger

    def test_an_unknown_name_is_an_attribute_error(self):
        """
        A name that Gradio has not is missing here, too.
        """
        with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
            _ = gr.Nonsense


class TestTheThreeExamples:
    """The examples of Gradio's page on flagging (4.41), after one changed import."""

    @pytest.mark.parametrize("logger", ["SimpleCSVLogger", "CSVLogger"])
    def test_the_loggers(self, tmp_path, monkeypatch, logger, gradio_cache):
        """
        The examples run as they stand, and a press of Flag keeps image and label.
        """
        monkeypatch.chdir(tmp_path)
        demo = gr.Interface(
            fn=image_classifier,
            inputs="image",
            outputs="label",
            flagging_callback=getattr(gr, logger)(),
        )
        image = demo.input_components[0].postprocess(np.zeros((4, 4, 3), np.uint8))
        label = demo.output_components[0].postprocess(image_classifier(None))

        demo.flagging_callback.flag([image, label])

        with open_store(demo.flagging_dir) as store:
            (flag,) = store.scan()
            assert list(flag.inputs) == ["inp"]
            assert flag.outputs["output"].data == {
                "label": "dog",
                "confidences": [
                    {"label": "dog", "confidence": 0.7}, {"label": "cat", "confidence": 0.3},
                ],
            }  # fmt: skip
            (ref,) = flag.files()
            with store.files.open(ref) as file:
                kept = file.read()
        assert kept == next(gradio_cache.rglob("*.webp")).read_bytes()


class TestMode:
    @pytest.mark.parametrize("name", ["flagging_mode", "allow_flagging"])
    @pytest.mark.parametrize(
        ("mode", "buttons", "listeners"), [("manual", 1, 0), ("auto", 0, 1), ("never", 0, 0)]
    )
    def test_both_names_on_every_version(self, tmp_path, name, mode, buttons, listeners):
        """
        The parameter is taken under its old name and its new one.
        """
        demo = echo(flagging_dir=str(tmp_path), **{name: mode})

        capture = capture_of(demo)
        assert len(flag_methods(demo)) == buttons
        assert (0 if capture is None else len(capture.listeners)) == listeners
        assert demo.flagging_mode == demo.allow_flagging == mode

    @pytest.mark.parametrize(("old", "mode"), [(True, "manual"), (False, "never")])
    def test_the_booleans_of_gradio_3(self, old, mode):
        """
        True and False are taken as they were.
        """
        assert echo(allow_flagging=old).flagging_mode == mode

    def test_anything_else_is_refused(self):
        """
        A wrong mode is refused by name.
        """
        with pytest.raises(
            ValueError, match=r"`flagging_mode` parameter: 'foo'\. Must be: 'manual'"
        ):
            echo(flagging_mode="foo")

    @pytest.mark.parametrize(
        ("environment", "mode"),
        [
            ({}, "manual"),
            ({"GRADIO_FLAGGING_MODE": "never"}, "never"),
            ({"GRADIO_FLAGGING_MODE": "Never"}, "never"),
            ({"GRADIO_ALLOW_FLAGGING": "never"}, "never"),
            ({"GRADIO_ALLOW_FLAGGING": "never", "GRADIO_FLAGGING_MODE": "auto"}, "auto"),
        ],
    )
    def test_the_environment(self, monkeypatch, environment, mode):
        """
        Without a parameter the environment decides, the new variable before the old.
        """
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

        assert echo().flagging_mode == mode

    def test_a_wrong_environment_is_refused(self, monkeypatch):
        """
        A wrong value in the environment is refused, naming the variable.
        """
        monkeypatch.setenv("GRADIO_FLAGGING_MODE", "nver")

        with pytest.raises(ValueError, match="environment variable GRADIO_FLAGGING_MODE: 'nver'"):
            echo()


class TestKindsOfInterface:
    def test_output_only(self, tmp_path):
        """
        Without inputs the outputs are flagged, as outputs.
        """
        demo = gr.Interface(lambda: "x", None, "text", flagging_dir=str(tmp_path))

        demo.flagging_callback.flag(["x"])

        (flag,) = open_store(tmp_path).scan()
        assert (list(flag.inputs), list(flag.outputs)) == ([], ["output"])

    def test_input_only(self, tmp_path):
        """
        Without outputs there is nothing to flag.
        """
        demo = gr.Interface(lambda x: None, "text", None, flagging_dir=str(tmp_path))

        assert flag_methods(demo) == []

    def test_unified(self, tmp_path):
        """
        Where inputs are outputs each field is flagged once, as an input.
        """
        box = gr.Textbox(label="t")
        demo = gr.Interface(lambda x: x, box, box, flagging_dir=str(tmp_path))

        demo.flagging_callback.flag(["x"])

        (flag,) = open_store(tmp_path).scan()
        assert (list(flag.inputs), list(flag.outputs)) == (["t"], [])

    def test_in_tabs(self, tmp_path):
        """
        Interfaces in tabs share a store and keep their names.
        """
        store = open_store(tmp_path / "flags.db")
        demos = [
            gr.Interface(lambda x: x, "text", "text", title=title,
                         flagging_callback=gr.FlagLogger(store))
            for title in ("one", "two")
        ]  # fmt: skip
        gr.TabbedInterface(demos)

        for demo in demos:
            demo.flagging_callback.flag(["x", "y"])

        assert [flag.app for flag in store.scan()] == ["one", "two"]

    @pytest.mark.parametrize("options", ["yes", [1], [("a",)], [("a", 1)]])
    def test_wrong_options_are_refused(self, options):
        """
        Options that are no strings and no pairs of strings are refused when the page is made.
        """
        with pytest.raises((ValueError, TypeError)):
            echo(flagging_options=options)

    def test_a_generator_can_be_flagged(self, tmp_path):
        """
        A streaming function has its Flag button, too.
        """

        def count(x):
            yield x
            yield x + x

        assert (
            len(flag_methods(gr.Interface(count, "text", "text", flagging_dir=str(tmp_path)))) == 1
        )


def press_flag(demo: gradio.Blocks, client: httpx.Client, data: list[str]) -> str:
    number, *_ = numbers_of(demo, "FlagMethod")
    prefix = "" if gradio.__version__.startswith("4.") else "gradio_api/"
    body = {"data": data, "fn_index": number, "session_hash": "s"}
    return client.post(f"{prefix}run/predict", json=body).text


def without_ids(config: dict[str, Any]) -> tuple[Any, Any, Any]:
    """The components, events and layout of *config*, with places in them for ids of Gradio's."""
    places = {each["id"]: n for n, each in enumerate(config["components"])}
    numbers = {each["id"]: n for n, each in enumerate(config["dependencies"])}

    def placed(ids: list[Any]) -> list[Any]:
        return [places.get(part, part) for part in ids]

    def laid_out(node: dict[str, Any]) -> Any:
        return [places.get(node["id"]), *map(laid_out, node.get("children", ()))]

    components = [
        {**each, "id": 0, "props": {k: v for k, v in each["props"].items() if k != "layout"}}
        for each in config["components"]
    ]
    events = [
        {
            **each,
            "id": numbers[each["id"]],
            "targets": [placed(list(target)) for target in each["targets"]],
            "inputs": placed(each["inputs"]),
            "outputs": placed(each["outputs"]),
            "cancels": [numbers.get(part) for part in each.get("cancels") or ()],
            "trigger_after": numbers.get(each.get("trigger_after")),
        }
        for each in config["dependencies"]
    ]
    return components, events, laid_out(config["layout"])


def test_a_page_of_tabs_is_the_same_built_by_hand_and_by_gradio():
    """
    But for Gradio's ids, a TabbedInterface is configured as the same tabs in Blocks are.
    """

    def pages() -> list[gr.Interface]:
        return [gr.Interface(abs, kind, kind) for kind in ("textbox", "image")]

    built = pages()
    with gr.Blocks(mode="tabbed_interface") as by_hand, gr.Tabs():
        for name, page in zip(("one", "two"), built, strict=True):
            with gr.TabItem(label=name):
                page.render()

    tabbed = gr.TabbedInterface(pages(), ["one", "two"])

    assert without_ids(by_hand.get_config_file()) == without_ids(tabbed.get_config_file())


def test_no_worker_thread_sleeps(tmp_path, monkeypatch):
    """
    What Gradio sleeps for while it holds a worker thread is timed in the browser.
    """

    class NobodySleeps:
        def sleep(self, seconds: float) -> None:
            pytest.fail(f"somebody slept for {seconds} s")

    monkeypatch.setattr(gradio.flagging, "time", NobodySleeps())
    demo = echo(flagging_dir=str(tmp_path))
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    with httpx.Client(base_url=url) as client:
        for n in range(20):
            assert "Receipt:" in press_flag(demo, client, [str(n), "y"])
    demo.close(verbose=False)

    assert open_store(tmp_path).count() == 20


def test_an_error_meant_for_the_person_is_shown(tmp_path):
    """
    What a callback raises as gr.Error is what the person reads, as text and not as markup.
    """

    class Full(gr.FlaggingCallback):
        def setup(self, components, flagging_dir):
            pass

        def flag(self, flag_data, flag_option=None, username=None):
            raise gr.Error("Only <b>ten</b> a day")

    demo = echo(flagging_callback=Full(), flagging_dir=str(tmp_path))
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    with httpx.Client(base_url=url) as client:
        answer = press_flag(demo, client, ["x", "y"])
    demo.close(verbose=False)

    assert "Only &lt;b&gt;ten&lt;/b&gt; a day" in answer


@pytest.mark.parametrize(("verbose", "told"), [(True, 1), (False, 0)])
def test_verbose_says_where_flags_go(tmp_path, caplog, verbose, told):
    """
    A verbose logger says in the log where flags go, another one does not.
    """
    with caplog.at_level("INFO", logger="flagstone"):
        gr.CSVLogger(verbose=verbose).setup([gr.Textbox(label="t")], tmp_path)

    assert len(caplog.records) == told
