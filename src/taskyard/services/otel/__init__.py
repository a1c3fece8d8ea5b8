"""An OpenTelemetry collector, told over OTLP; with the extra `taskyard[otel]`. The addresses are the operator's own."""
