"""What a command that runs for a moment logs."""

from __future__ import annotations

from taskyard.settings import Settings


def configure_quiet_logs(settings: Settings) -> None:
    """Log warnings and worse, unless TASK_LOG_LEVEL asks for more: the command says itself what it does."""
    from taskyard.logs import configure_logs

    level = {setting.name: value for setting, value in settings.items()}["TASK_LOG_LEVEL"]
    configure_logs(settings.with_values(TASK_LOG_LEVEL="WARNING") if level.source == "default" else settings)
