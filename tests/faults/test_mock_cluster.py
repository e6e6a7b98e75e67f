"""The mock cluster is left out where librdkafka has not what it needs."""

import pytest

from services import Unavailable
from tests.faults import mock_cluster


def test_a_library_without_one_of_the_functions_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mock_cluster._SIGNATURES, "rd_kafka_mock_of_the_future", (None, ()))
    with pytest.raises(Unavailable, match="no rd_kafka_mock_of_the_future"), mock_cluster.running():
        pass
