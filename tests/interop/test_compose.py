"""The compose file is about the servers and settings that the code is about."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from services import elasticmq, jaeger, kafka, rabbitmq, tempo
from services.backend import parsed

yaml: Any = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
CHAIN: dict[str, str] = SERVICES["chain"]["environment"]
# Where the images listen; what is not said in the file is the default of the server.
LISTENS = {
    "kafka": {9092, 19092},
    "rabbitmq": {5672},
    "elasticmq": {9324},
    "jaeger": {16686, 4318},
    "tempo": {3200, 4318},
    "grafana": {3000},
}


def test_the_chain_is_told_of_every_server_by_the_variable_of_its_module() -> None:
    modules = (kafka, rabbitmq, elasticmq, jaeger, tempo)
    assert set(CHAIN) == {module.ENVIRONMENT_VARIABLE for module in modules}


@pytest.mark.parametrize(("variable", "value"), CHAIN.items())
def test_an_address_of_the_chain_is_one_where_a_container_listens(variable: str, value: str) -> None:
    for address in addresses(value):
        host, _, port = address.rpartition(":")
        assert int(port) in LISTENS[host]


@pytest.mark.parametrize("service", LISTENS)
def test_only_this_machine_can_reach_a_published_port(service: str) -> None:
    published = [port.split(":") for port in SERVICES[service]["ports"]]
    assert [host for host, _, _ in published] == ["127.0.0.1"] * len(published)
    assert {int(port) for _, _, port in published} <= LISTENS[service]


def test_no_port_is_published_twice() -> None:
    ports = [port.split(":")[1] for service in SERVICES.values() for port in service.get("ports", ())]
    assert sorted(ports) == sorted(set(ports))


def test_kafka_sends_each_client_on_to_a_name_that_it_reaches() -> None:
    environment = SERVICES["kafka"]["environment"]
    assert environment["KAFKA_ADVERTISED_LISTENERS"] == f"INSIDE://{CHAIN['UNBROKEN_KAFKA']},OUTSIDE://localhost:19092"


def test_the_versions_are_those_that_the_services_start() -> None:
    assert SERVICES["kafka"]["image"].rpartition(":")[2] == version_in_pom("kafka", "kafka_2.13")
    assert SERVICES["elasticmq"]["image"].rpartition(":")[2] == version_in_pom("elasticmq", "elasticmq-server_2.13")
    module = (ROOT / "services" / "jaeger" / "go.mod").read_text()
    assert f"v{SERVICES['jaeger']['image'].rpartition(':')[2]}" in module


def test_every_configuration_is_used_and_holds_what_its_server_reads() -> None:
    used = {each["source"] for service in SERVICES.values() for each in service.get("configs", ())}
    assert used == set(COMPOSE["configs"])
    settings = yaml.safe_load(COMPOSE["configs"]["tempo"]["content"])
    assert settings["server"]["http_listen_port"] in LISTENS["tempo"]
    assert settings["distributor"]["receivers"]["otlp"]["protocols"]["http"]["endpoint"].endswith(":4318")
    (source,) = yaml.safe_load(COMPOSE["configs"]["grafana"]["content"])["datasources"]
    assert urlsplit(source["url"]).netloc == "tempo:3200"


def test_the_image_of_the_chain_is_made_of_what_is_there() -> None:
    build = SERVICES["chain"]["build"]
    dockerfile = (ROOT / build["context"] / build["dockerfile"]).read_text()
    extras = re.search(r"'\.\[([^]]*)]'", dockerfile)
    assert extras is not None
    known = (ROOT / "pyproject.toml").read_text()
    assert all(f"\n{extra} = [" in known for extra in extras[1].split(","))
    assert (ROOT / "constraints" / "newest.txt").exists()


def test_the_variables_for_programs_outside_are_those_of_the_published_ports() -> None:
    page = (ROOT / "docs" / "interop.md").read_text()
    told = dict(re.findall(r"^export (UNBROKEN_\w+)=(\S+)$", page, re.MULTILINE))
    assert set(told) == set(CHAIN)
    published = {port.split(":")[1] for service in SERVICES.values() for port in service.get("ports", ())}
    ports = {address.rpartition(":")[2] for value in told.values() for address in addresses(value)}
    assert ports <= published


def addresses(value: str) -> list[str]:
    """Every host:port in the value of a variable: an address, a URL, or the two URLs of a store."""
    if "://" not in value:
        return [value]
    backend = parsed(value)
    return [urlsplit(url).netloc.rpartition("@")[2] for url in (backend.otlp, backend.query) if url]


def version_in_pom(service: str, artifact: str) -> str:
    """The version of an artifact that a server is made of."""
    space = {"m": "http://maven.apache.org/POM/4.0.0"}
    pom = ET.parse(ROOT / "services" / service / "pom.xml").getroot()
    return next(
        str(each.findtext("m:version", namespaces=space))
        for each in pom.iterfind(".//m:dependency", space)
        if each.findtext("m:artifactId", namespaces=space) == artifact
    )
