"""What the conformance tests share.

For many histories: `pytest tests/conformance -k Histories --hypothesis-profile=long --timeout=0`.
"""

import pytest

pytest.register_assert_rewrite("taskyard.testing.conformance")
