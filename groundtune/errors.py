"""Errors that a person can act on.

Every message says who (record id or setting), what was found, what was expected, and what to change. Anything
that a user's input can cause is one of these; any other exception is a bug of ours.
"""


class GroundtuneError(Exception):
    """The parent of all errors that input or environment can cause."""


class SettingError(GroundtuneError):
    """A setting has a wrong name, type or value."""

    def __init__(self, setting: str, found: object, expected: str, where: str = ""):
        self.setting, self.found, self.expected, self.where = setting, found, expected, where
        place = f" in {where}" if where else ""
        super().__init__(f"setting {setting!r}{place} is {found!r}: expected {expected}")


class RecordError(GroundtuneError):
    """One record cannot be used. Stages turn it into a row of `rejected.parquet`; the other rows go on."""

    def __init__(self, record_id: str, field: str, problem: str, place: str = ""):
        self.record_id, self.field, self.problem, self.place = record_id, field, problem, place
        prefix = f"{place} " if place else ""
        super().__init__(f'{prefix}id="{record_id}": {field}: {problem}')


class TooManyRejected(GroundtuneError):
    """More records were rejected than the limit allows."""


class CheckpointError(GroundtuneError):
    """A model folder is missing, incomplete, or asks for something unsafe (pickle, remote code)."""


class ArtifactError(GroundtuneError):
    """An artifact folder is unfinished, damaged, of the wrong kind, or of another schema version."""


class StorageError(GroundtuneError):
    """A path or bucket cannot be reached, read or written."""


class StoreUnavailable(StorageError):
    """The store did not answer, or failed, for as long as it was given. No record is to blame."""


class TrackingError(GroundtuneError):
    """The MLflow server cannot be reached or refuses a request."""


class PromotionError(GroundtuneError):
    """A version cannot become champion: another came first, or there is none to go back to."""


class LeaseError(GroundtuneError):
    """Another run holds what only one may hold."""


class WorkerError(GroundtuneError):
    """A process of a training on several, or the job that runs them on the cluster, ended before its work was done."""


class JudgeError(GroundtuneError):
    """The judge cannot be asked, or one record could not be judged. What was judged before is in the judge's cache."""

    def __init__(self, problem: str, record_id: str = ""):
        self.problem, self.record_id = problem, record_id
        super().__init__(f'judge: id="{record_id}": {problem}' if record_id else f"judge: {problem}")
