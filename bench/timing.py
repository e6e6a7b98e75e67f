"""How a cost is measured: CPU time of the calling thread or of the process, the garbage collector on for everyone."""

import gc
import statistics
import time
import timeit
from collections.abc import Callable
from itertools import pairwise
from types import TracebackType

Namespace = dict[str, object]

WARM_UP = 2_000
REPEATS = 5
SLICE = 0.01


class Stopwatch:
    """CPU time inside a block, in `seconds`: of the calling thread, or by another clock."""

    seconds: float

    def __init__(self, clock: Callable[[], float] = time.thread_time) -> None:
        self._clock = clock

    def __enter__(self) -> "Stopwatch":
        gc.collect()
        gc.freeze()
        self._started = self._clock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = self._clock() - self._started
        gc.unfreeze()


class Laps:
    """Counts messages, and what they cost the whole process after a warm-up of a fifth more.

    A broker pushes, so one subscription is warmed up and measured without a pause.

    Args:
        messages: how many are measured.
        slices: in how many parts; the median of them counts. One where a read brings thousands of messages; more where
            each is a call of its own to a server, which costs many times what is done to it and not always the same.
    """

    def __init__(self, messages: int, slices: int = 1) -> None:
        self.total = messages + messages // 5
        self._slice = messages // slices
        self._first = self._slice * slices
        self._left = self.total
        self._clock: list[float] = []

    def is_last(self) -> bool:
        """Count one message and tell whether it was the last."""
        left = self._left = self._left - 1
        if left <= self._first and not left % self._slice:
            if left == self._first:
                gc.collect()
                gc.freeze()
            self._clock.append(time.process_time())
        return not left

    @property
    def microseconds(self) -> float:
        """What one message cost."""
        slices = [after - before for before, after in pairwise(self._clock)]
        return statistics.median(slices) / self._slice * 1e6


def microseconds(statement: str, namespace: Namespace) -> float:
    """Return what one execution of `statement` costs: the median of several loops of about ten milliseconds."""
    timer = timeit.Timer(statement, "gc.enable()", timer=time.thread_time, globals={**namespace, "gc": gc})
    loops = 100
    while (taken := timer.timeit(loops)) < SLICE:
        loops = max(loops * 2, int(loops * SLICE / max(taken, SLICE / 100)))
    gc.collect()
    return statistics.median(timer.repeat(REPEATS, loops)) / loops * 1e6
