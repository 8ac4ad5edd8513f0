"""
Constructors with Gradio's parameters plus our own keywords, visible to `help()` and editors.

Gradio's parameters are read from the installed version.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

_Init = TypeVar("_Init", bound=Callable[..., None])

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def takes_all_of(host: type, *, and_of: type) -> Callable[[_Init], _Init]:
    """
    Decorate the `__init__` of a subclass of *host* to accept the parameters of *host*, by position
    where *host* does, its own keywords, and the fields of the dataclass *and_of*.

    The decorated function receives all of them as keywords.
    """

    def decorate(init: _Init) -> _Init:
        theirs = inspect.signature(host.__init__)  # type: ignore[misc]
        _, *names = [name for name, each in theirs.parameters.items() if each.kind in _POSITIONAL]

        @wraps(init)
        def accept(self: Any, *args: Any, **keywords: Any) -> None:
            if len(args) > len(names):
                raise TypeError(
                    f"{host.__name__} takes {len(names)} positional arguments, not {len(args)}"
                )
            named = dict(zip(names, args, strict=False))
            for name in named.keys() & keywords.keys():
                raise TypeError(f"{name} was given twice, by position and by its name")
            init(self, **named, **keywords)

        accept.__signature__ = _signature_of(theirs, init, and_of)  # type: ignore[attr-defined]
        return accept  # type: ignore[return-value]

    return decorate


def takes_the_order_of_gradio_3(init: _Init) -> _Init:
    """
    Decorate the `__init__` of `HuggingFaceDatasetSaver` to accept the order of Gradio 3, too.

    Gradio 3 had `organization` before `private`. The type distinguishes them: str or None, or a
    bool.
    """

    @wraps(init)
    def accept(self: Any, *args: Any, **keywords: Any) -> None:
        rest = args[2:]
        if rest and (rest[0] is None or isinstance(rest[0], str)):
            named = dict(zip(_ORDER_OF_GRADIO_3, rest, strict=False))
            for name in named.keys() & keywords.keys():
                raise TypeError(f"{name} was given twice, by position and by its name")
            if len(rest) > len(named):
                raise TypeError(f"takes {len(named) + 2} positional arguments, not {len(args)}")
            args, keywords = args[:2], keywords | named
        init(self, *args, **keywords)

    return accept  # type: ignore[return-value]


_ORDER_OF_GRADIO_3 = ("organization", "private", "info_filename", "separate_dirs", "verbose")


def _signature_of(
    theirs: inspect.Signature, init: Callable[..., None], and_of: type
) -> inspect.Signature:
    """Return their parameters, then ours as keyword-only; theirs win over ours of the same name."""
    ours = [*_parameters_of(init), *_parameters_of(and_of)]
    variadic = [each for each in theirs.parameters.values() if each.kind in _VARIADIC]
    first = [each for each in theirs.parameters.values() if each.kind not in _VARIADIC]
    added = [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for each in ours
        if each.name not in theirs.parameters and each.kind not in _VARIADIC
    ]
    return theirs.replace(parameters=[*first, *added, *variadic])


def _parameters_of(thing: Callable[..., Any]) -> list[inspect.Parameter]:
    parameters = list(inspect.signature(thing).parameters.values())
    return [each for each in parameters if each.name != "self"]
