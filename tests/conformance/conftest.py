"""What the conformance tests share."""

import pytest

pytest.register_assert_rewrite("taskyard.testing.conformance")
