"""`taskyard doctor`: looks at what Taskyard stands on, and says what is missing and how to mend it."""

from taskyard.cli.doctor.examination import examine
from taskyard.cli.doctor.finding import Finding, Health

__all__ = ["Finding", "Health", "examine"]
