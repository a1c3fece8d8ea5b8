"""As whom we tell."""

from __future__ import annotations

from opentelemetry.sdk.resources import SERVICE_NAME, Resource


def make_resource() -> Resource:
    """What `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say, and `taskyard` where they give no name."""
    said = Resource.create()
    unnamed = str(said.attributes.get(SERVICE_NAME, "")).startswith("unknown_service")
    return said.merge(Resource({SERVICE_NAME: "taskyard"})) if unnamed else said
