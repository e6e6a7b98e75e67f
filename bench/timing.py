"""How a cost is measured: CPU time of the calling thread, with the garbage collector on for everyone."""

import gc
import statistics
import time
import timeit
from types import TracebackType

Namespace = dict[str, object]

WARM_UP = 2_000
REPEATS = 5
SLICE = 0.01


class Stopwatch:
    """CPU time of the calling thread inside a block, in `seconds`."""

    seconds: float

    def __enter__(self) -> "Stopwatch":
        gc.collect()
        gc.freeze()
        self._started = time.thread_time()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.thread_time() - self._started
        gc.unfreeze()


def microseconds(statement: str, namespace: Namespace) -> float:
    """Return what one execution of `statement` costs: the median of several loops of about ten milliseconds."""
    timer = timeit.Timer(statement, "gc.enable()", timer=time.thread_time, globals={**namespace, "gc": gc})
    loops = 100
    while (taken := timer.timeit(loops)) < SLICE:
        loops = max(loops * 2, int(loops * SLICE / max(taken, SLICE / 100)))
    gc.collect()
    return statistics.median(timer.repeat(REPEATS, loops)) / loops * 1e6
