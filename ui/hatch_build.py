"""Has wheels, source distributions and editable installs bring the browser interface.

TASKYARD_UI=skip leaves it out, =require fails where it cannot be built; else its absence is a warning.
"""

from __future__ import annotations

import os
import runpy
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MODE = os.environ.get("TASKYARD_UI", "auto")


class Interface(BuildHookInterface):  # type: ignore[type-arg]
    """Builds it when its sources have changed."""

    def dependencies(self) -> list[str]:
        """A machine without a Node.js that fits gets one for the build only."""
        tools = self._tools()
        return [] if MODE == "skip" or tools["is_fresh"]() or tools["fitting_node"]() else [tools["NODE_WHEEL"]]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build it, or say why not."""
        tools = self._tools()
        if MODE == "skip" or tools["is_fresh"]():
            return
        try:
            tools["build"]()
        except (tools["NoNode"], OSError, subprocess.CalledProcessError) as error:
            if MODE == "require":
                raise
            self.app.display_warning(f"the browser interface is not built: {error}")

    def _tools(self) -> dict[str, Any]:
        return runpy.run_path(str(Path(self.root, "ui", "build.py")))
