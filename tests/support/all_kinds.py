"""
A store with a flag of every component of Gradio, as its page posted it.
"""

from collections.abc import Iterator
from pathlib import Path

from flagstone.core.records import Flag, Value
from flagstone.stores.base import Store


def keep_every_kind(store: Store, folder: Path) -> list[Flag]:
    """Save a flag for each component case: its value is the output, its name the option."""
    flags = list(_flags(store, folder))
    store.append(flags)
    return flags


def _flags(store: Store, folder: Path) -> Iterator[Flag]:
    from component_cases import CASES, Files, sent
    from gradio.data_classes import GradioModel, GradioRootModel
    from gradio.processing_utils import move_files_to_cache

    from flagstone.gradio.payloads.convert import to_value
    from flagstone.gradio.payloads.fields import describe

    files = Files(folder)
    for name, case in CASES.items():
        component = case.make()
        if case.value is None:
            payload = case.payload(files)
        else:
            shown = component.postprocess(case.value(files))
            if isinstance(shown, GradioModel | GradioRootModel):
                shown = shown.model_dump()
            payload = sent(move_files_to_cache(shown, component, postprocess=True))
        value = to_value(
            component, payload, field=name, description=describe(component), files=store.files
        )
        yield Flag(
            app="every kind",
            inputs={"asked": Value(kind="text", data=name)},
            outputs={"output": value},
            option=name,
        )
