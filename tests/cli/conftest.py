"""
What the tests of the command line share: a store of each kind that lies in one place.
"""

import pytest


@pytest.fixture(params=["flags", "flags.db"])
def place(request, tmp_path):
    return tmp_path / request.param
