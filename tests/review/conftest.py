"""
Who reviews, in the tests of the page.
"""

from pathlib import Path

import pytest
from reviewer import people


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the people who may log in."""
    return people(tmp_path_factory.mktemp("users"))
