"""What is measured: the operations, who takes part in each, and the bars."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.contenders import BARE, OURS, SAMPLED, UNSAMPLED
from bench.report import Verdict
from bench.results import Cell, Samples

OPENTELEMETRY, OBSERVATION = "OpenTelemetry", "Spring observation"
EVERYTHING = "with tracestate and baggage"

CPU, BYTES = "cpu", "bytes"
AT_MOST = 1.0


@dataclass(frozen=True, slots=True)
class Operation:
    """What contenders do in turn under each condition; `program` is the name that the measured program has for it."""

    name: str
    program: str
    contenders: tuple[str, ...] = (BARE, OPENTELEMETRY, OURS)
    conditions: tuple[str, ...] = (SAMPLED, UNSAMPLED)

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield each condition with the row that it fills."""
        for condition in self.conditions:
            yield condition, f"{self.name}, {condition}"


_SPRING = (BARE, OPENTELEMETRY, OBSERVATION, OURS)
_HEADERS = {"contenders": (OPENTELEMETRY, OURS), "conditions": (SAMPLED, EVERYTHING)}

JAVA = (
    Operation("spring-kafka listener container", "ContainerBenchmark.listen", _SPRING),
    Operation("spring-kafka interceptor alone", "ProcessBenchmark.process"),
    Operation("`KafkaTemplate.send`", "TemplateBenchmark.send", _SPRING),
    Operation("`Producer.send`", "SendBenchmark.send"),
    Operation("inject into the user's headers", "HeadersBenchmark.inject", **_HEADERS),
    Operation("extract", "HeadersBenchmark.extract", **_HEADERS),
)
NODE = (
    Operation("KafkaJS `eachMessage`", "eachMessage"),
    Operation("KafkaJS `send`", "send"),
)


def verdicts(operations: tuple[Operation, ...], samples: Samples) -> Iterator[Verdict]:
    """Yield ours against each peer: with the same spans it may not cost more than any of them, over bare."""
    for operation in operations:
        for _, row in operation.rows():
            for peer in operation.contenders:
                ours, theirs = Cell(row, OURS), Cell(row, peer)
                if peer in (BARE, OURS) or not samples.has(ours, theirs):
                    continue
                median, low, high = (round(value, 3) for value in samples.ratio(ours, theirs))
                over = ", over bare" if BARE in operation.contenders else ""
                yield Verdict(f"{row} / {peer}{over}", median, low, high, AT_MOST, median <= AT_MOST, "")
