"""Bytecode for what a task imports and for nothing else: that of all sources would be two and a half times as large.

Run in the image's build, by `python -I -B`: isolated from the sources beside it, and without bytecode of Python's own
making, which would depend on dates. A task's root file system may be read-only: what has none is compiled every time.
"""

import importlib
import os
import pkgutil
import py_compile
import sys
from importlib.machinery import SourceFileLoader
from typing import Any

os.environ["_KFP_RUNTIME"] = "true"  # as in a task: kfp's executor without its compiler


class Recorder:
    """Stands before the compiler of imports, and notes what it is given: also modules that then fail to import."""

    def __init__(self) -> None:
        self.sources: set[str] = set()
        self._compile = SourceFileLoader.source_to_code

    def __call__(self, loader: Any, data: Any, path: Any, **options: Any) -> Any:
        self.sources.add(os.fspath(path))
        return self._compile(loader, data, path, **options)


def import_all() -> None:
    """Everything that groundtune, the executor, MLflow's client and an S3 client load."""
    for name in ("kfp.dsl.executor_main", "mlflow", "mlflow.client", "boto3", "groundtune"):
        importlib.import_module(name)
    sys.modules["boto3"].client("s3", region_name="none", aws_access_key_id="none", aws_secret_access_key="none")
    for module in pkgutil.walk_packages(sys.modules["groundtune"].__path__, "groundtune.", onerror=lambda name: None):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if str(error.name).partition(".")[0] in sys.stdlib_module_names | {"groundtune"}:
                raise  # what is missing is not one of the libraries that this image leaves out


if __name__ == "__main__":
    recorder = Recorder()
    SourceFileLoader.source_to_code = lambda *given, **options: recorder(*given, **options)  # type: ignore[method-assign]
    import_all()
    for source in sorted(recorder.sources):
        if source.startswith(sys.prefix):
            # Valid by content, not by the source's date: a copied image has other dates.
            py_compile.compile(source, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
