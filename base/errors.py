"""The one tree of errors.

    EnsueError                      code, message, and the way out
    ├── InvalidInputError     400   what was sent cannot be understood
    │   └── UnprocessableError 422  understood, and still not acceptable
    ├── SignatureError        401   a webhook that could not prove where it comes from
    ├── ForbiddenError        403   known, and not allowed
    ├── NotFoundError         404
    ├── ConflictError         409   the state of things does not allow it
    ├── SlowRequestError      408   a request that did not arrive in time
    ├── TooLargeError         413   over a bound that was set
    ├── UnsupportedMediaError 415
    ├── UnavailableError      503   not now: try again after `retry_after`
    └── ConfigurationError    -     settings, files or rules; `place` says where

Every error carries a stable `code` for programs, a sentence for people, and where it
can be known the `place` (a field, a path into the JSON, or file:line:column) and a
`hint` with the way out. `server/problems.py` is the one place that turns them into HTTP.
"""

from __future__ import annotations


class EnsueError(Exception):
    """The root: a failure that is explained to whoever caused it."""

    status = 500
    default_code = "internal"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        place: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.place = place
        self.hint = hint

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        out = f" ({self.hint})" if self.hint else ""
        return f"{where}{self.message}{out}"


class InvalidInputError(EnsueError):
    status = 400
    default_code = "invalid"


class UnprocessableError(InvalidInputError):
    status = 422
    default_code = "unprocessable"


class SignatureError(EnsueError):
    status = 401
    default_code = "signature_mismatch"


class ForbiddenError(EnsueError):
    status = 403
    default_code = "forbidden"


class NotFoundError(EnsueError):
    status = 404
    default_code = "not_found"


class ConflictError(EnsueError):
    status = 409
    default_code = "conflict"


class SlowRequestError(EnsueError):
    status = 408
    default_code = "request_timeout"


class TooLargeError(EnsueError):
    status = 413
    default_code = "too_large"


class UnsupportedMediaError(EnsueError):
    status = 415
    default_code = "unsupported_media_type"


class UnavailableError(EnsueError):
    """Not now. `retry_after` is in seconds."""

    status = 503
    default_code = "unavailable"

    def __init__(self, message: str, *, retry_after: int = 1, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class ConfigurationError(EnsueError):
    status = 422
    default_code = "configuration"
