"""Start gunicorn on loopback, and say how to reach the service."""

from __future__ import annotations

import logging
from typing import Any

from gunicorn.app.base import BaseApplication

from cds_service.settings import Storage
from cds_service.store.database import Store


class _Server(BaseApplication):  # type: ignore[misc]
    """Gunicorn with settings from the command line instead of a file."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        from cds_service.app import create_app

        return create_app()


def _let_go(_: Any, worker: Any) -> None:
    """Before a worker ends: close what its application holds."""
    from cds_service.app import close_app

    if (app := getattr(worker, "wsgi", None)) is not None:
        close_app(app)


def run_server(host: str, port: int, workers: int, storage: Storage) -> None:
    """Serve until stopped. The knowledge is loaded once, and the database made ready, before the workers are forked."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    Store(storage.database).prepare()
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    print(f"Discovery: http://{address}/cds-services")
    print(
        "Try it:    .venv/bin/cds-service fixture gabapentin-with-baclofen | "
        "curl -s -H 'Content-Type: application/json' -d @- "
        f"http://{address}/cds-services/interactions-order-sign",
        flush=True,
    )
    options = {
        "bind": address,
        "workers": workers,
        "preload_app": True,
        "control_socket_disable": True,
        "accesslog": None,
        "loglevel": "warning",
        # Headers in which proxies tell what they saw. Anybody can send them, and SCRIPT_NAME would move every address.
        "forwarded_allow_ips": "",
        "forwarder_headers": "",
        "worker_exit": _let_go,
    }
    _Server(options).run()
