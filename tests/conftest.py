"""Fixtures for every test, and how many examples properties are tried with.

HYPOTHESIS_PROFILE or `--hypothesis-profile` chooses a profile; `make real` takes the long one.
"""

import os

from hypothesis import settings

pytest_plugins = ["tests.servers.fixtures", "tests.ui.fixtures"]

settings.register_profile("long", max_examples=500, stateful_step_count=60, deadline=None)
if "HYPOTHESIS_PROFILE" in os.environ:
    settings.load_profile(os.environ["HYPOTHESIS_PROFILE"])
