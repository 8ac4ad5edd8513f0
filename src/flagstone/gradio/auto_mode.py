"""
The automatic mode: save every prediction, from pages and API clients, as far as the rules allow.
"""

from collections.abc import Iterable, Sequence

import gradio
from gradio.components import Component

from flagstone.errors.safe_logs import logger_of
from flagstone.gradio.executor import in_thread
from flagstone.gradio.payloads.fields import number_of
from flagstone.gradio.recording.capture import Listener, Run
from flagstone.gradio.recording.recorder import Recorder
from flagstone.gradio.recording.requester import session_of
from flagstone.gradio.ui import messages
from flagstone.gradio.ui.scripts import HIDDEN
from flagstone.gradio.ui.styles import consent_boxes

logger = logger_of(__name__)


def keep_each(
    recorder: Recorder,
    inputs: Sequence[Component],
    outputs: Sequence[Component],
) -> Listener:
    """Return a listener that saves each call from *inputs* to *outputs* before it is answered."""

    async def keep(run: Run) -> None:
        if run.request is None or not _is_prediction(run, inputs, outputs):
            return  # an example that is cached at startup, or another function
        try:
            await in_thread(recorder.save_run)(run)
        except Exception as error:
            logger.exception("A prediction was not saved")
            messages.warn(error)

    return keep


def ask_consent(recorder: Recorder) -> None:
    """Place the consent checkbox for automatic flags, if the rules have a consent statement."""

    def hear(given: bool, request: gradio.Request) -> None:
        recorder.hear_consent(session_of(request), given=given is True)

    for box in consent_boxes(recorder.rules.consent):
        box.change(hear, box, None, queue=False, **HIDDEN)


def _is_prediction(run: Run, inputs: Sequence[Component], outputs: Sequence[Component]) -> bool:
    def numbers(components: Iterable[Component]) -> list[int]:
        return [number_of(component) for component in components]

    called = run.function
    return (numbers(called.inputs), numbers(called.outputs)) == (numbers(inputs), numbers(outputs))
