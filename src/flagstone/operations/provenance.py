"""
The version of the running model: git commit of its code, and versions of its packages.
"""

import platform
import subprocess
import sys
from functools import cache
from typing import Any

_LIBRARIES = (
    "anthropic", "catboost", "diffusers", "flax", "gradio", "jax", "keras", "langchain",
    "lightgbm", "llama_cpp", "mlx", "numpy", "onnxruntime", "openai", "pandas", "peft", "scipy",
    "sentence_transformers", "sklearn", "spacy", "statsmodels", "tensorflow", "timm", "tokenizers",
    "torch", "torchaudio", "torchvision", "transformers", "vllm", "xgboost",
)  # fmt: skip
"""Modules whose version may change a model's output."""

_TIMEOUT = 5.0
"""Seconds to wait for git, which may be slow in a large tree."""


def provenance() -> dict[str, Any]:
    """
    Return the git commit of the working directory, whether it is dirty, and package versions.

    Facts that cannot be determined are absent. git runs once per process, on the first call.
    """
    versions = {
        name: str(sys.modules[name].__version__)
        for name in _LIBRARIES
        if hasattr(sys.modules.get(name), "__version__")
    }
    return {**_commit(), "packages": {"python": platform.python_version(), **versions}}


@cache
def _commit() -> dict[str, Any]:
    try:
        commit = _git("rev-parse", "HEAD")
        changes = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):  # no git, or no repository
        return {}
    return {"commit": commit, "dirty": bool(changes)}


def _git(*arguments: str) -> str:
    run = subprocess.run(  # noqa: S603 - constant arguments
        ["git", *arguments],  # noqa: S607 - the user's own git
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=True,
        timeout=_TIMEOUT,
    )
    return run.stdout.strip()
