"""The demo, run once for each client."""

from collections.abc import Callable

import pytest

from tests.demo.shown import CLIENTS, Shown, run_demo

Show = Callable[[str], Shown]


@pytest.fixture(scope="session")
def show(tmp_path_factory: pytest.TempPathFactory) -> Show:
    """The demo with a client on the embedded broker; run when first asked for."""
    shown: dict[str, Shown] = {}

    def of(client: str) -> Shown:
        if client not in shown:
            shown[client] = run_demo(tmp_path_factory.mktemp(client), "--client", client)
        return shown[client]

    return of


@pytest.fixture(params=CLIENTS)
def shown(request: pytest.FixtureRequest, show: Show) -> Shown:
    """The demo with each client."""
    client: str = request.param
    pytest.importorskip(CLIENTS[client])
    return show(client)
