"""Do the same with many items, in this process, in worker processes or on a cluster; a worker's death costs one retry.

joblib distributes: its own worker processes (``loky``), or whatever backend ``joblib.parallel_config`` has chosen (dask,
ray, spark). Results come as they are finished.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from fluctlab.errors import FluctlabError
from fluctlab.model import clean_text

if TYPE_CHECKING:
    from joblib import Parallel

__all__ = ["Lost", "each"]

Item = TypeVar("Item")
Result = TypeVar("Result")
_log = logging.getLogger("fluctlab")

#: Items a worker gets at once, at most: enough to hide what handing over costs, few enough to lose little.
_CHUNK = 16
#: Chunks a backend gets at once that hands nothing back before all is done, for each of its workers.
_ROUND = 4


class Lost:
    """Stands for the result of an item that ended its worker twice."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


def each(
    function: Callable[[Item], Result], items: Sequence[Item], *, n_jobs: int | None = None
) -> Iterator[tuple[int, Result | Lost]]:
    """Call a function for every item and yield (number of the item, result), as they are finished.

    Parameters
    ----------
    function : callable
        Picklable; it must not raise.
    items : sequence
        Picklable.
    n_jobs : int, optional
        Worker processes, -1 for one a core. By default what ``joblib.parallel_config`` says, else this process alone.

    Yields
    ------
    int, result or Lost
        ``Lost`` where the worker died of the item a second time, alone.

    Raises
    ------
    FluctlabError
        If no worker can be reached any more.
    """
    if not items:
        return
    n_jobs, jobs = _workers(n_jobs)
    if jobs is None:
        for number, item in enumerate(items):
            yield number, function(item)
        return
    open_numbers = dict.fromkeys(range(len(items)))
    size = max(1, min(_CHUNK, len(items) // (4 * jobs)))
    while open_numbers:
        dispatched: set[int] = set()
        try:
            for number, result in _streamed(function, items, _chunks(open_numbers, size, dispatched), n_jobs, jobs):
                del open_numbers[number]
                yield number, result
        except FluctlabError:
            raise
        except Exception as error:  # a worker's death has another name in every backend
            suspects = [number for number in open_numbers if number in dispatched]
            _log.warning(
                "a worker died (%s); the %d items that were handed out are tried again, one by one",
                _name(error),
                len(suspects),
            )
            if not suspects:
                raise FluctlabError(f"the workers cannot be used: {_name(error)}: {error}") from error
            for number in suspects:
                del open_numbers[number]
                yield number, _alone(function, items[number], n_jobs)


def _workers(n_jobs: int | None) -> tuple[int | None, int | None]:
    """Return what joblib is told, and the number of workers or None where this process does the work."""
    if n_jobs == 1:
        return n_jobs, None
    from joblib import effective_n_jobs
    from joblib.parallel import get_active_backend

    backend, _ = get_active_backend()
    here = type(backend).__name__ in {"LokyBackend", "SequentialBackend", "ThreadingBackend", "MultiprocessingBackend"}
    jobs = int(effective_n_jobs(n_jobs))
    if here:
        return n_jobs, None if jobs == 1 else jobs
    if n_jobs is None and jobs <= 1:  # who names a cluster means all of it
        n_jobs = -1
        jobs = int(effective_n_jobs(n_jobs))
    return n_jobs, max(1, jobs)


def _chunks(numbers: Iterable[int], size: int, dispatched: set[int]) -> Iterator[list[int]]:
    """Cut what is to be done into chunks and note which were handed out."""
    left = iter(list(numbers))
    while chunk := list(islice(left, size)):
        dispatched.update(chunk)
        yield chunk


def _streamed(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    chunks: Iterator[list[int]],
    n_jobs: int | None,
    jobs: int,
) -> Iterator[tuple[int, Result]]:
    from joblib import delayed
    from joblib.parallel import get_active_backend

    def tasks(some: Iterable[list[int]]) -> Iterator[Any]:
        return (delayed(_called)(function, [(number, items[number]) for number in chunk]) for chunk in some)

    if get_active_backend()[0].supports_return_generator:
        done = _parallel(n_jobs, "generator_unordered")(tasks(chunks))
        try:
            for results in done:
                yield from results
        finally:
            done.close()
        return
    while round_of := list(islice(chunks, _ROUND * jobs)):  # ray and spark hand back nothing before all is done
        for results in _parallel(n_jobs, "list")(tasks(round_of)):
            yield from results


def _parallel(n_jobs: int | None, return_as: str) -> Parallel:
    from joblib import Parallel
    from joblib.parallel import get_active_backend

    own: dict[str, Any] = {}
    if type(get_active_backend()[0]).__name__ == "LokyBackend":
        own = {"backend": "loky", "initializer": _end_with, "initargs": (os.getpid(),)}
    return Parallel(n_jobs=n_jobs, return_as=return_as, batch_size=1, pre_dispatch="2*n_jobs", **own)


def _called(function: Callable[[Item], Result], numbered: list[tuple[int, Item]]) -> list[tuple[int, Result]]:
    return [(number, function(item)) for number, item in numbered]


def _end_with(parent: int) -> None:
    """End this worker when the process that started it is gone: one killed outright cannot tell its workers to stop."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, name="fluctlab-ends-with-parent", daemon=True).start()


def _alone(function: Callable[[Item], Result], item: Item, n_jobs: int | None) -> Result | Lost:
    """Try an item again with nothing beside it."""
    from joblib import delayed

    try:
        results: list[list[tuple[int, Result]]] = _parallel(n_jobs, "list")([delayed(_called)(function, [(0, item)])])
        return results[0][0][1]
    except Exception as error:  # noqa: BLE001 - see above
        reason = f"{_name(error)}: {clean_text(str(error), 300)}"
    try:
        _parallel(n_jobs, "list")([delayed(_alive)()])
    except Exception as error:
        raise FluctlabError(f"the workers cannot be reached any more: {_name(error)}: {error}") from error
    return Lost(reason)


def _alive() -> bool:
    return True


def _name(error: BaseException) -> str:
    return type(error).__name__
