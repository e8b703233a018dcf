"""`cds-service demo-fhir`: listen on 127.0.0.1, say who the patients are and how to use them.

Werkzeug's own threaded server does it: one process with nothing to configure, and nobody but this machine reaches it.
"""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Callable
from datetime import date

from werkzeug.serving import WSGIRequestHandler, make_server

from cds_service.demo_fhir.app import create_demo_app
from cds_service.demo_fhir.patients import DemoPatient, read_patients
from cds_service.errors import ServiceError

_HOST = "127.0.0.1"
_LAST_PORT = 65535
_OFTEN = {1: "daily", 2: "twice daily", 3: "three times daily", 4: "four times daily"}  # as the sandbox's menu has it


class _Requests(WSGIRequestHandler):
    """One plain line for each request on standard error: which client asks for what is half of a demonstration."""

    def log_request(self, code: int | str = "-", _: int | str = "-") -> None:
        """Write the line; what no terminal should get is escaped."""
        line = f"{self.command} {ascii(self.path)[1:-1]} {int(code)}\n"
        print(line, end="", file=sys.stderr, flush=True)  # at once: threads write side by side


def serve_demo(port: int, today: Callable[[], date]) -> None:
    """Serve until stopped. Raises ServiceError where the port cannot be had; 0 takes any free one."""
    with _listening(port) as listener:
        base = f"http://{_HOST}:{listener.getsockname()[1]}"
        patients = read_patients()
        app = create_demo_app(patients, today)
        server = make_server(_HOST, port, app, threaded=True, request_handler=_Requests, fd=listener.fileno())
        print(describe(base, patients), flush=True)
        server.serve_forever()


def _listening(port: int) -> socket.socket:
    if port > _LAST_PORT:
        raise ServiceError(f"{port} is not a port. Use 1 to {_LAST_PORT}.")
    try:
        return socket.create_server((_HOST, port))
    except OSError as error:
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had ({error.strerror})"
        raise ServiceError(f"port {port} {why}. Name another with --port.") from None


def describe(base: str, patients: tuple[DemoPatient, ...]) -> str:
    """What a person needs to begin."""
    width = max(len(patient.id) for patient in patients)
    return "\n".join(
        [
            f"Demonstration FHIR server (R4): {base}",
            "Made-up patients, read-only, reached from this machine only. Ctrl-C stops it.",
            "",
            "Patients (id, name, what to order to see which card):",
            *(f"  {p.id:{width}}  {p.name}\n  {'':{width}}  order {_order(p)}: {_card(p)}" for p in patients),
            "",
            "The service, in another terminal:",
            f"  CDS_FHIR_SERVERS={base} make serve",
            "In the CDS Hooks Sandbox (https://sandbox.cds-hooks.org), the gear at the top right:",
            f"  Change FHIR Server  {base}",
            f"  Change Patient      {patients[0].name} (typing {patients[0].id} finds it)",
            "  Add CDS Services    http://127.0.0.1:8000/cds-services (whole, no slash at its end)",
            "",
        ]
    )


def _order(patient: DemoPatient) -> str:
    return f"{patient.order}, number {patient.number}, {_OFTEN[patient.times_a_day]}"


def _card(patient: DemoPatient) -> str:
    return "no card" if patient.card == "none" else f'a card ({patient.card}) "{patient.about} …"'
