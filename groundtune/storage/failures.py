"""What a store's failure means: whether it may pass by itself, and the sentence that a person reads."""

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    SSLError,
)
from botocore.exceptions import ConnectionError as NoConnection
from urllib3.exceptions import HTTPError as BrokenBody  # what boto3 lets through while a body is read, e.g. over TLS

from groundtune.errors import GroundtuneError, StorageError, StoreUnavailable

# Answers that a repeated request may not get: the store is busy, or the bytes were damaged on the way to it.
_PASSING_CODES = {
    "BadDigest",
    "IncompleteBody",
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "XAmzContentSHA256Mismatch",
}
_PASSING_STATUS = {408, 429, 500, 502, 503, 504}
_HINTS = {
    "403": "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "AccessDenied": "check the bucket policy of these credentials",
    "SignatureDoesNotMatch": "check AWS_SECRET_ACCESS_KEY",
    "InvalidAccessKeyId": "check AWS_ACCESS_KEY_ID",
    "InvalidIdentityToken": "check AWS_ROLE_ARN and the token of AWS_WEB_IDENTITY_TOKEN_FILE",
    "NoSuchBucket": "check the bucket's name",
    "NoSuchKey": "check that the object is there",
    "404": "check that the object and the bucket exist",
}


class Damaged(Exception):
    """The bytes that arrived are not those that the store holds. Another transfer may bring the right ones."""


def code_of(error: Exception) -> str:
    """The store's own word for the failure, "" when it did not answer."""
    return str(error.response.get("Error", {}).get("Code", "unknown")) if isinstance(error, ClientError) else ""


def may_pass(error: Exception) -> bool:
    """True when the same request may succeed later: no connection, a busy store, a cut or damaged body."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return code_of(error) in _PASSING_CODES or status in _PASSING_STATUS
    if isinstance(error, NoConnection | HTTPClientError):  # a certificate, though, does not mend itself
        return "CERTIFICATE_VERIFY_FAILED" not in str(error)
    return isinstance(error, Damaged | FlexibleChecksumError | IncompleteReadError | BrokenBody)


def as_storage_error(error: Exception, action: str, uri: str, seconds: float | None = None) -> Exception:
    """One sentence that names the URI and the setting to look at. seconds: for how long the store was asked in vain;
    None when asking again cannot help. What is no failure of a store (a bug of ours) stays what it is."""
    kind, tried = (StorageError, "") if seconds is None else (StoreUnavailable, f" for {seconds:.0f} s")
    if isinstance(error, GroundtuneError):
        return error
    if isinstance(error, ClientError):
        code = code_of(error)
        if error.operation_name.startswith("AssumeRole"):
            hint = "check AWS_ROLE_ARN, the role's trust policy and AWS_WEB_IDENTITY_TOKEN_FILE"
        else:
            hint = _HINTS.get(code, "check AWS_ENDPOINT_URL and the credentials")
        return kind(f"cannot {action} {uri}{tried}: the store answered {code}; {hint}")
    if isinstance(error, SSLError):
        return kind(f"cannot {action} {uri}{tried}: {error}; check AWS_CA_BUNDLE and AWS_ENDPOINT_URL")
    if isinstance(error, BotoCoreError | BrokenBody):
        return kind(f"cannot {action} {uri}{tried}: {error}; check AWS_ENDPOINT_URL and that the store is reachable")
    if isinstance(error, Damaged):
        return kind(f"cannot {action} {uri}{tried}: {error}")
    if isinstance(error, OSError):
        return kind(f"cannot {action} {uri}{tried}: {error.strerror or error}")
    return error
