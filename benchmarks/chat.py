"""
Measure reactions in a long chat: showing them, and one press, compared to Gradio itself.

    python -m benchmarks.chat

The peer is Gradio's own pre- and postprocessing of the same conversation, which happens several
times for each message. The result is CPU time, the median of five rounds in turn.
"""

import statistics
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

ROUNDS = 5
HONEST = "some words of a person or of a model, as many as a short sentence has. "


def conversation(texts: list[str]) -> list[dict[str, Any]]:
    roles = ["user", "assistant"] * len(texts)
    return [
        {
            "role": role,
            "metadata": None,
            "options": None,
            "content": [{"type": "text", "text": text}],
        }
        for role, text in zip(roles, texts, strict=False)
    ]


CASES = {
    "500 messages of a sentence": [HONEST] * 500,
    "2,000 messages of a sentence": [HONEST] * 2_000,
    "2,000 messages of 2,000 characters": [HONEST * 28] * 2_000,
    "1,600 messages of one letter": ["x"] * 1_600,
    "10,000 messages of one letter": ["x"] * 10_000,
}


def measure(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the median CPU time of each of *calls*, measured in turn."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start = time.process_time()
            call()
            taken[name].append(time.process_time() - start)
    return {name: statistics.median(times) for name, times in taken.items()}


def main() -> None:
    gr: Any = import_module("flagstone.gradio")
    memory: Any = import_module("flagstone.stores.memory")
    demo = gr.ChatInterface(str, flagging_callback=gr.FlagLogger(memory.MemoryStore()))
    reactions, chatbot = demo._reactions, demo.chatbot  # noqa: SLF001
    request = gr.Request(session_hash="session")
    print("| a conversation | shown again, s | one press, s | Gradio, there and back, s |")
    print("|---|---|---|---|")
    for name, texts in CASES.items():
        payload = conversation(texts)

        def press(said: list[dict[str, Any]] = payload) -> None:
            like = gr.LikeData(None, {"index": len(said) - 1, "value": "", "liked": True})
            reactions._react(request, like, said, None)  # noqa: SLF001
            like.liked = ""
            reactions._react(request, like, said, None)  # noqa: SLF001

        def gradio_does(said: list[dict[str, Any]] = payload) -> object:
            read = chatbot.preprocess(chatbot.data_model.from_json(said))
            return chatbot.postprocess(read).model_dump()

        def show(said: list[dict[str, Any]] = payload) -> object:
            return reactions._show(request, said, None)  # noqa: SLF001

        seconds = measure({"show": show, "press": press, "gradio": gradio_does})
        print(f"| {name} | {seconds['show']:.3f} | {seconds['press'] / 2:.3f} "
              f"| {seconds['gradio']:.3f} |")  # fmt: skip


if __name__ == "__main__":
    main()
