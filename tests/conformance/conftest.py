"""What the conformance tests share.

For many histories: `pytest tests/conformance -k Histories --hypothesis-profile=long --timeout=0`.
"""

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("taskyard.testing.conformance")
settings.register_profile("long", max_examples=2000, stateful_step_count=80)
