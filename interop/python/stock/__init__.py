"""The services once more, with stock OpenTelemetry code, as most have it."""
