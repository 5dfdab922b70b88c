"""Several files at a time: requests wait for the store far more than they compute."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")

FILES_AT_ONCE = 8


def in_parallel(act: Callable[[T], object], items: Iterable[T]) -> None:
    """`act` on every item, FILES_AT_ONCE at a time, in the caller's context (its patience). Raises the first failure in
    the order of items, once what had begun has ended; what had not begun then never does."""
    with ThreadPoolExecutor(FILES_AT_ONCE, thread_name_prefix="storage") as pool:
        waiting = [pool.submit(copy_context().run, act, item) for item in items]
        try:
            for one in waiting:
                one.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
