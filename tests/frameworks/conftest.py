"""What the tests of several frameworks ask of the metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from opentelemetry.metrics import _internal as metrics_internal

sdk = pytest.importorskip("opentelemetry.sdk.metrics")
export = pytest.importorskip("opentelemetry.sdk.metrics.export")

Systems = Callable[[], dict[str, set[object]]]
"""Returns the `messaging.system` of each metric, by the name of the metric."""


@pytest.fixture
def systems(monkeypatch: pytest.MonkeyPatch) -> Iterator[Systems]:
    """The systems that the metrics of the test name; a meter provider is global."""
    reader = export.InMemoryMetricReader()
    provider = sdk.MeterProvider([reader])
    monkeypatch.setattr(metrics_internal, "_METER_PROVIDER", provider)

    def found() -> dict[str, set[object]]:
        return {
            metric.name: {point.attributes["messaging.system"] for point in metric.data.data_points}
            for resource in reader.get_metrics_data().resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    yield found
    provider.shutdown()
