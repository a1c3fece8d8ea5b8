"""The demo's yard, under a name by which worker processes find it."""

from __future__ import annotations

from taskyard.demo.samples import PROCESSES, register
from taskyard.orchestrators.bpmn.executor import is_installed
from taskyard.yard import Taskyard

yard = Taskyard()
register(yard)
for file in PROCESSES if is_installed() else ():
    yard.workflow(file)
