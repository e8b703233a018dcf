"""Every error of the service, in one tree. Raised where it is known, answered in one place (`web.errors`).

    ServiceError
    ├── BadRequest          400: the request cannot be understood; names the path
    ├── MissingChart        412: required chart data is not there (only with CDS_MISSING_CHART=412)
    ├── UnknownService      404
    ├── Unauthorized        401: not let in; one text for all reasons
    ├── StoreDown           503: the database does not answer; only what must be kept is refused for it
    ├── TooMuch             413: more than one call may hold; names the limit
    ├── TooOften            429: more calls of one client than it may make; come again later
    ├── Busy                503: as many calls are being answered as can be; come again later
    └── StartError          the service must not start
        ├── SettingsError   a setting is wrong
        ├── ClientsError    the file of CDS Clients is wrong; lists every fault
        └── KnowledgeError  card files are wrong; lists every fault of every file

Messages say what, where and what is allowed. They never quote text of a request.
"""

from __future__ import annotations

from dataclasses import dataclass


class ServiceError(Exception):
    """Base of all errors the service raises on purpose."""

    status = 500
    code = "exception"
    retry_after = 0  # seconds after which the same call may succeed; 0 says nothing


class BadRequest(ServiceError):
    """The request cannot be understood. `path` is where, `message` what and what is allowed."""

    status = 400
    code = "invalid"

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path


class MissingChart(ServiceError):
    """Chart data that the check needs was neither in prefetch nor to be had."""

    status = 412
    code = "required"


class UnknownService(ServiceError):
    """No service has this id."""

    status = 404
    code = "not-found"


class Unauthorized(ServiceError):
    """The caller is not let in.

    `reason`, one of a few words, is for the log and the metric, `who` (a client's id or an issuer) for the log;
    neither is for the answer.
    """

    status = 401
    code = "login"

    def __init__(self, reason: str, who: str = "") -> None:
        super().__init__("the caller could not be authenticated.")
        self.reason = reason
        self.who = who


class StoreDown(ServiceError):
    """The database cannot be used now. `reason` is for the log and for readiness, never for the answer."""

    status = 503
    code = "transient"
    retry_after = 5

    def __init__(self, reason: str) -> None:
        super().__init__("nothing was stored, because the database does not answer now. Send it again later.")
        self.reason = reason


class TooMuch(ServiceError):
    """The request holds more than one call may. `path` is where, `limit` the setting that says so."""

    status = 413
    code = "too-long"

    def __init__(self, path: str, most: int, limit: str) -> None:
        super().__init__(f"{path}: has more than {most} entries, the most that one call may hold ({limit}).")
        self.path = path


class TooOften(ServiceError):
    """This client has called as often as it may for now."""

    status = 429
    code = "throttled"

    def __init__(self, most: int, retry_after: int) -> None:
        super().__init__(f"this client may make {most} calls a minute. Nothing was checked.")
        self.retry_after = retry_after


class Busy(ServiceError):
    """As many calls are being answered as can be; another would only wait."""

    status = 503
    code = "transient"
    retry_after = 1

    def __init__(self) -> None:
        super().__init__("the service is answering as many calls as it can. Nothing was checked; try again.")


class StartError(ServiceError):
    """The service must not start."""


class SettingsError(StartError):
    """A setting is wrong."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault of one file: where it is and what is allowed there."""

    file: str
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}, {self.path}: {self.message}" if self.path else f"{self.file}: {self.message}"


class _FileError(StartError):
    """Files are wrong; every fault is listed."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = sorted(set(faults))
        super().__init__("\n".join(str(fault) for fault in self.faults))


class ClientsError(_FileError):
    """The file of CDS Clients is wrong."""


class KnowledgeError(_FileError):
    """Card files are wrong."""
