"""
Every component of the installed Gradio: what was seen is what is read, in another process.
"""

import contextlib
import importlib
import pickle
import pkgutil
import subprocess
import sys
from pathlib import Path

import gradio
import pytest
from component_cases import ALL, CASES, GRADIO, SAME, Files, sent
from gradio.components import Component
from gradio.data_classes import GradioModel, GradioRootModel
from gradio.processing_utils import move_files_to_cache
from http_client import post_flag
from page_values import seen
from pydub.exceptions import PydubException
from read_back import read_back

import flagstone.gradio as gr
from flagstone.errors import WrongPayloadError
from flagstone.stores.memory import MemoryStore

# Gradio's own templates use arguments that Gradio has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")

ABSTRACT = {"Component", "FormComponent", "StreamingInput", "StreamingOutput"}


class World:
    """All cases flagged, each into three stores, and read back."""

    def __init__(self, folder: Path) -> None:
        self.files = Files(folder / "uploads")
        self.components = {name: case.make() for name, case in CASES.items()}
        self.payloads = {name: self._payload(name) for name in CASES}
        memory = MemoryStore()
        loggers = {
            "csv": gr.CSVLogger(),
            "sqlite": gr.FlagLogger(folder / "flags.db"),
            "memory": gr.FlagLogger(memory),
        }
        for logger in loggers.values():
            for name, component in self.components.items():
                logger.setup([component], folder / "csv")
                logger.flag([self.payloads[name]], flag_option=name)
        self.read = {
            "csv": self._read_elsewhere(folder / "csv"),
            "sqlite": self._read_elsewhere(folder / "flags.db"),
            "memory": read_back(memory),
        }

    def _payload(self, name):
        case, component = CASES[name], self.components[name]
        if case.value is None:
            return case.payload(self.files)
        shown = component.postprocess(case.value(self.files))
        if isinstance(shown, GradioModel | GradioRootModel):
            shown = shown.model_dump()
        return sent(move_files_to_cache(shown, component, postprocess=True))

    def _read_elsewhere(self, store):
        out = store.with_suffix(".read")
        script = Path(__file__).parents[1] / "support" / "read_back.py"
        subprocess.run([sys.executable, script, store, out], check=True, timeout=200)
        return pickle.loads(out.read_bytes())


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "uploads"))
        yield World(folder)


@pytest.mark.parametrize("store", ["csv", "sqlite", "memory"])
@pytest.mark.parametrize("name", CASES)
def test_what_was_seen_is_what_is_read(world, name, store):
    """
    The payload, what the component makes of it, and the Python value come back equal, files byte
    for byte and with their names.
    """
    case, component = CASES[name], world.components[name]
    payload, read = world.payloads[name], world.read[store][name]
    if component.data_model is not None:
        payload = component.data_model.from_json(payload)

    assert read["payload"] == seen(payload)
    if GRADIO in case.unread:
        with pytest.raises((RuntimeError, PydubException)):
            component.preprocess(payload)
    else:
        assert read["preprocessed"] == seen(component.preprocess(payload))
    python = world.payloads[name] if case.python is SAME else case.python(world.files)
    assert read["python"] == seen(python)
    assert read["class"] == f"{type(component).__module__}.{type(component).__qualname__}"
    assert case.kind in (None, read["kind"])


PASSES_FOR_A_PAYLOAD = {
    "Dialogue": "text is a payload, too",
    "Gallery empty": "None for no pictures",
}


@pytest.mark.parametrize("name", CASES)
def test_what_a_function_gets_is_not_kept_for_what_the_page_holds(world, name):
    """
    What a component makes of its payload for a function is the payload itself, or it is refused.
    """
    component, payload = world.components[name], world.payloads[name]
    if GRADIO in CASES[name].unread or name in PASSES_FOR_A_PAYLOAD:
        return
    given = payload if component.data_model is None else component.data_model.from_json(payload)
    given = component.preprocess(given)
    store = MemoryStore()
    logger = gr.FlagLogger(store)
    logger.setup([component], "unused")

    with contextlib.suppress(WrongPayloadError):
        logger.flag([given])
    logger.flag([payload])

    assert len({flag.fingerprint for flag in store.scan()}) == 1


@pytest.mark.parametrize("index", [1, [0, 1]])
@pytest.mark.parametrize("make", [gradio.Dropdown, gradio.Radio, gradio.CheckboxGroup])
def test_an_index_of_a_choice_is_not_kept_for_the_choice(make, index):
    """
    With `type="index"` a function gets numbers, which are refused where the choices are texts.
    """
    many = {"multiselect": True} if make is gradio.Dropdown and isinstance(index, list) else {}
    box = make(["a", "b"], type="index", label="x", **many)
    numbers = make([0, 1], type="index", label="x", **many)
    store = MemoryStore()
    for component in (box, numbers):
        logger = gr.FlagLogger(store)
        logger.setup([component], "unused")
        if component is box:
            with pytest.raises(WrongPayloadError, match="preprocess=False"):
                logger.flag([index])
        else:
            logger.flag([index])

    (flag,) = store.scan()
    assert flag.inputs["x"].data == index


def test_an_event_without_preprocess_false_is_told_so(gradio_cache, tmp_path, caplog):
    """
    Over HTTP, too, the log names the field, what was given, and the way out.
    """
    box, sketch = gr.Textbox(label="t"), gr.Image(label="i")
    logger = gr.FlagLogger(tmp_path / "flags.db")
    with gr.Blocks() as demo:
        for component in (box, sketch):
            component.render()
        logger.setup([box, sketch], tmp_path)

        def flag(*values):
            logger.flag(list(values))

        gr.Button("Flag").click(flag, [box, sketch], None, queue=False)

    response = post_flag(demo, ["a", Files(gradio_cache).posted("photo.jpg")])

    assert response.status_code == 500
    told = "field 'i': it is not the payload of Image but a numpy.ndarray, the value that functions"
    assert told in caplog.text
    assert not (tmp_path / "flags.db").exists()


def test_every_component_has_a_case():
    """
    Each component class in the installed Gradio is in the table.
    """
    for package in ("gradio.components", "gradio._simple_templates"):
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
            importlib.import_module(f"{package}.{module.name}")

    def below(kind):
        yield kind
        for child in kind.__subclasses__():
            yield from below(child)

    known = {type(case.make()) for case in CASES.values()}
    classes = {kind for kind in below(Component) if kind.__module__.startswith("gradio.")}
    assert {kind for kind in classes - known if kind.__name__ not in ABSTRACT} == set()
    assert len(ALL) >= 110


@pytest.mark.parametrize("case", [c for c in ALL if GRADIO in c.gone], ids=lambda case: case.name)
def test_what_a_version_has_not(case, tmp_path):
    """
    A case that is not tried on this Gradio cannot be: its component is not there, or takes no
    such value.
    """
    with pytest.raises((AttributeError, ModuleNotFoundError, TypeError, ValueError)):
        case.make().data_model.from_json(case.payload(Files(tmp_path)))


def test_a_field_that_was_empty_is_none(tmp_path):
    """
    None is None for every component: not "", not 0, not a missing field.
    """
    components = [case.make() for case in CASES.values()]
    store = MemoryStore()
    logger = gr.FlagLogger(store)
    logger.setup(components, tmp_path)

    logger.flag([None] * len(components))

    (flag,) = store.scan()
    values = [*flag.inputs.values(), *flag.outputs.values()]
    assert [value.data for value in values] == [None] * len(components)
    assert [value.to_python() for value in values] == [None] * len(components)
    assert gradio.__version__ == flag.context["gradio"]
