"""Start gunicorn, and say how to reach the service. What happens when it forks, loads anew and stops.

The knowledge is loaded once, in the master, before the workers are forked. SIGHUP loads it anew: workers with the new
one take over from the old, or with the same one again where the new files are faulty. SIGTERM lets every call that is
being answered finish first.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from gunicorn import glogging, util
from gunicorn.app.base import BaseApplication
from gunicorn.http import errors as http_errors
from gunicorn.workers.gthread import ThreadWorker

from cds_service.errors import ServiceError, StartError
from cds_service.logs import JsonLines, log_as_json, log_event, place_of
from cds_service.run_folder import RunFolder, open_run_folder
from cds_service.settings import Settings
from cds_service.store.database import Store

_SPARE_THREADS = 4  # for health, metrics and refusals while calls take all the places
_BACKLOG = 64
_CONNECTIONS = 256
_GRACE_SECONDS = 20
_STATUS = {
    http_errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    http_errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    http_errors.UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
    http_errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
}


class _Log(glogging.Logger):  # type: ignore[misc]
    """Gunicorn's own log, in the form of ours."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(JsonLines())


class _Worker(ThreadWorker):  # type: ignore[misc]
    """Gunicorn's threaded worker that answers what is no HTTP like any other error, and quotes none of it."""

    def handle_error(self, _: Any, client: Any, __: Any, exc: BaseException) -> None:
        """Answer a request that could not be read."""
        is_theirs = isinstance(exc, http_errors.ParseException)
        status = _STATUS.get(type(exc), HTTPStatus.BAD_REQUEST if is_theirs else HTTPStatus.INTERNAL_SERVER_ERROR)
        level = logging.WARNING if is_theirs else logging.ERROR
        log_event(
            "unreadable request", level, status=status, error=f"{type(exc).__name__} at {place_of(exc.__traceback__)}"
        )
        try:
            util.write_nonblock(client, _refusal(status))
        except OSError:
            log_event("client went away", logging.DEBUG)


def _refusal(status: HTTPStatus) -> bytes:
    from cds_service.web.errors import outcome_body
    from cds_service.web.json_body import write_json

    body = write_json(outcome_body("structure", "this is not a request that can be read. Nothing was checked."))
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\nAccess-Control-Allow-Origin: *\r\n"
        f"Content-Type: application/json; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Server(BaseApplication):  # type: ignore[misc]
    """Gunicorn with settings from the command line instead of a file."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        from cds_service.app import create_app  # not before PROMETHEUS_MULTIPROC_DIR is set

        return create_app()


def _load_anew(arbiter: Any) -> None:
    """On SIGHUP, before new workers are forked: a new application, or the old one where that cannot be made."""
    from cds_service.app import close_app, create_app
    from cds_service.web.operations import reload_failed

    old = arbiter.app.callable
    try:
        arbiter.app.callable = create_app()
    except StartError as error:
        log_event("reload refused", logging.ERROR, faults=str(error).splitlines())
        reload_failed(old)
    except Exception as error:
        where = f"{type(error).__name__} at {place_of(error.__traceback__)}"
        log_event("reload refused", logging.ERROR, faults=[where])
        reload_failed(old)
    else:
        close_app(old)
        log_event("reloaded")


def _let_go(_: Any, worker: Any) -> None:
    """Before a worker ends: close what its application holds."""
    from cds_service.app import close_app

    if (app := getattr(worker, "wsgi", None)) is not None:
        close_app(app)


def _forget(_: Any, worker: Any) -> None:
    """In the master, after a worker has ended: what it was doing is not being done any more."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def run_server(host: str, port: int, workers: int, settings: Settings) -> None:
    """Serve until stopped. The knowledge is loaded once, and the database made ready, before the workers are forked."""
    log_as_json()
    Store(settings.storage.database).prepare()
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    base = f"http://{address}"
    print(f"Discovery: {base}/cds-services", flush=True)
    if settings.workbench:
        print(f"Workbench: {base}/", flush=True)
    if settings.access.mode == "off":
        print(
            "Try it:    .venv/bin/cds-service fixture gabapentin-with-baclofen | "
            "curl -s -H 'Content-Type: application/json' -d @- "
            f"{base}/cds-services/interactions-order-sign",
            flush=True,
        )
    folder = open_run_folder(settings.storage.data)
    try:
        _Server(_options(address, workers, settings, folder)).run()
    except ServiceError:
        folder.remove()
        raise


def _options(address: str, workers: int, settings: Settings, folder: RunFolder) -> dict[str, Any]:
    threads = settings.limits.in_flight + _SPARE_THREADS
    environment = [f"PROMETHEUS_MULTIPROC_DIR={folder.path}"]
    if settings.access.mode == "off" and not settings.access.public_url:
        environment.append(f"CDS_PUBLIC_URL=http://{address}")  # who may call is on this machine, and reaches us here
    return {
        "bind": address,
        "workers": workers,
        "worker_class": _Worker,
        "threads": threads,
        "worker_connections": _CONNECTIONS + threads,
        "backlog": _BACKLOG,
        "graceful_timeout": _GRACE_SECONDS,
        "preload_app": True,
        "control_socket_disable": True,
        "accesslog": None,
        "loglevel": "warning",
        "logger_class": _Log,
        "worker_tmp_dir": str(folder.path),
        "raw_env": environment,
        "on_reload": _load_anew,
        # Headers in which proxies tell what they saw. Anybody can send them, and SCRIPT_NAME would move every address.
        "forwarded_allow_ips": "",
        "forwarder_headers": "",
        "worker_exit": _let_go,
        "child_exit": _forget,
        "on_exit": lambda _: folder.remove(),
    }
