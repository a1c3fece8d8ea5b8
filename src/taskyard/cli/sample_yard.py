"""The demo's yard, under a name by which worker processes find it."""

from __future__ import annotations

from taskyard.demo.samples import register
from taskyard.yard import Taskyard

yard = Taskyard()
register(yard)
