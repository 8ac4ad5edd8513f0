"""
Components as third parties make them: told by their data model alone.
"""

from typing import Any, ClassVar

from gradio.components import Component
from gradio.data_classes import FileData, GradioModel

from gradio.events import Dependency

class _Custom(Component):
    EVENTS: ClassVar[list[str]] = []

    def preprocess(self, payload: Any) -> Any:
        return payload

    def postprocess(self, value: Any) -> Any:
        return value

    def example_payload(self) -> Any:
        return None

    def example_value(self) -> Any:
        return None

    def api_info(self) -> dict[str, Any]:
        return {}
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component


class Molecule(_Custom):
    """One file."""

    EVENTS: ClassVar[list[str]] = []
    data_model = FileData
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component


class Reading(GradioModel):
    """A thing of its own, with a file within."""

    patient: str
    scans: list[FileData]
    score: float | None = None


class Ward(_Custom):
    """A model of its own."""

    EVENTS: ClassVar[list[str]] = []
    data_model = Reading
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component


class Knob(_Custom):
    """No model at all."""

    EVENTS: ClassVar[list[str]] = []
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component