"""A pipeline below an exit handler: whatever happens, `close_run` has the last word."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from kfp import dsl

from components import images
from components.close_run import close_run
from pipelines.placement import on_cpu


def with_exit_handler(define: Callable[..., Any], over_nodes: bool = False) -> Callable[..., None]:
    """The same tasks and parameters, closed by `close_run`; without results, which KFP does not let out of a handler.

    define: the body of a pipeline; it has a parameter `title`. over_nodes: its training is a TrainJob, which must not
    outlive the run; only the stage image has the client that ends it. A parameter `rounds_root` is where the lease of a
    retraining must be given back.
    """

    @functools.wraps(define)
    def closed(*given: Any) -> None:
        parameters = dict(zip(inspect.signature(define).parameters, given, strict=True))
        kept = {name: parameters[name] for name in ("rounds_root",) if name in parameters}
        last = on_cpu(close_run(title=parameters["title"], over_nodes=over_nodes, **kept)).set_caching_options(False)
        if over_nodes:
            last.set_container_image(images.STAGE)
        with dsl.ExitHandler(last, name="run"):
            define(*given)

    closed.__signature__ = inspect.signature(define).replace(return_annotation=inspect.Signature.empty)  # type: ignore[attr-defined]
    del closed.__wrapped__
    closed.__annotations__ = {name: kind for name, kind in define.__annotations__.items() if name != "return"}
    return closed
