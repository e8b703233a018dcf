"""CPU per order-sign call, as a multiple of what the same server costs when it does nothing.

Two gunicorn servers run side by side, each with one sync worker: the service, and a floor (floor.py) that
only parses the body and answers with a fixed card. Both get the same bodies in turn, and the CPU time of
each process tree is read from /proc (Linux). The ratio compares like with like; milliseconds depend on the
machine. request.json is the body; every request varies its ids, doses and results, so that no cache of
whole answers can help.
"""

import argparse
import http.client
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
WRITTEN_ON = date(2026, 11, 22)  # the day that request.json was written for
PATH = "/cds-services/interactions-order-sign"
AIM = 3.5
WARM_UP = 100
START_LIMIT_SECONDS = 60
IMPORTS = (
    "from cds_service.knowledge.folder import read_folder; "
    "from cds_service.knowledge.load import cards_folder, knowledge_of, load_knowledge"
)
SEALED = "load_knowledge(cards_folder())"
UNSEALED = "knowledge_of(read_folder(cards_folder()))"
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Server(NamedTuple):
    """A running gunicorn: its master process and the port it answers on."""

    pid: int
    port: int


def main() -> int:
    """Run the rounds and print what they cost."""
    options = read_options()
    template = today_template()
    with serving("floor:create_app()") as floor, serving(options.app) as service:
        run_round(floor, service, make_bodies(template, WARM_UP, seed=0))
        rounds = [
            run_round(floor, service, make_bodies(template, options.requests, seed=number))
            for number in range(1, options.rounds + 1)
        ]
    report(rounds, options.requests)
    report_loading()
    return 0


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--app", default="cds_service.app:create_app()", help="what is compared to the floor")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=600, help="requests per round and server")
    return parser.parse_args()


def today_template() -> str:
    """Return request.json with its dates moved to today, so that results and orders stay as recent."""
    shift = date.today() - WRITTEN_ON
    return re.sub(
        r"\b\d{4}-\d\d-\d\d\b",
        lambda match: moved(date.fromisoformat(match[0]), shift),
        (HERE / "request.json").read_text(encoding="utf-8"),
    )


def moved(day: date, shift: timedelta) -> str:
    """Return the day, moved, as ISO text."""
    return (day + shift).isoformat()


def make_bodies(template: str, count: int, seed: int) -> list[bytes]:
    """Return that many bodies; the same seed gives the same bodies."""
    chance = random.Random(seed)
    return [make_body(template, chance) for _ in range(count)]


def make_body(template: str, chance: random.Random) -> bytes:
    """Return one hook call with ids, doses and results of its own."""
    key = f"{chance.getrandbits(48):012x}"
    body = json.loads(template.replace("bench-patient-0001", f"patient-{key}"))
    body["hookInstance"] = f"00000000-0000-4000-8000-{key}"
    for entry in body["context"]["draftOrders"]["entry"]:
        vary_order(entry["resource"], key, chance.randint(1, 3))
    for entry in body["prefetch"]["medicationRequests"]["entry"]:
        entry["resource"]["id"] += f"-{key}"
    for entry in body["prefetch"]["observations"]["entry"]:
        vary_result(entry["resource"], key, chance.uniform(0.8, 1.2))
    return json.dumps(body, separators=(",", ":")).encode()


def vary_order(order: dict, key: str, units: int) -> None:
    """Give a draft order its own id and dose, in the structure and in the text."""
    order["id"] += f"-{key}"
    dosage = order["dosageInstruction"][0]
    dosage["text"] = dosage["text"].replace("Take 1", f"Take {units}")
    dosage["doseAndRate"][0]["doseQuantity"]["value"] = units
    order["dispenseRequest"]["quantity"]["value"] *= units


def vary_result(observation: dict, key: str, factor: float) -> None:
    """Give a laboratory result its own id and value."""
    observation["id"] += f"-{key}"
    observation["valueQuantity"]["value"] = round(observation["valueQuantity"]["value"] * factor, 2)


@contextmanager
def serving(app: str) -> Iterator[Server]:
    """Run the app under gunicorn with one sync worker on a free port of loopback."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", "1"]
    command += ["--worker-class", "sync", "--log-level", "warning", "--no-control-socket"]
    process = subprocess.Popen([*command, "--pythonpath", str(HERE), app], env=plain_environment())
    try:
        wait_until_answering(process, port, app)
        yield Server(process.pid, port)
    finally:
        process.terminate()
        process.wait()


def plain_environment() -> dict[str, str]:
    """Return the environment without what would change how many workers gunicorn runs; open, and for any rate."""
    kept = {k: v for k, v in os.environ.items() if k not in ("GUNICORN_CMD_ARGS", "WEB_CONCURRENCY")}
    return kept | {"CDS_AUTH": "off", "CDS_RATE": "0"}


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_answering(process: subprocess.Popen, port: int, app: str) -> None:
    """Return when the worker answers; stop with a sentence when gunicorn gave up or takes too long."""
    deadline = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            call(port, "GET", "/")
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"{app} did not start; see gunicorn's messages above.")


def call(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Send one request on a connection of its own, as a sync worker ends it anyway."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def run_round(floor: Server, service: Server, bodies: list[bytes]) -> tuple[float, float]:
    """Return the CPU milliseconds per request of both, asked in turn so that both see the same machine."""
    floor_start, service_start = tree_cpu_seconds(floor.pid), tree_cpu_seconds(service.pid)
    for body in bodies:
        sign_order(floor, body)
        sign_order(service, body)
    floor_seconds = tree_cpu_seconds(floor.pid) - floor_start
    service_seconds = tree_cpu_seconds(service.pid) - service_start
    return 1000 * floor_seconds / len(bodies), 1000 * service_seconds / len(bodies)


def sign_order(server: Server, body: bytes) -> None:
    """Send one hook call; stop when the answer is anything but cards."""
    status, answer = call(server.port, "POST", PATH, body)
    if status != 200 or not json.loads(answer).get("cards"):
        raise SystemExit(f"Expected cards, got {status}: {answer[:300]!r}")


def tree_cpu_seconds(master: int) -> float:
    """Return the CPU seconds, user and system, of a process, its children and those that ended.

    Fields of /proc/<pid>/stat as in proc(5), counted after the command's name: parent is 1, times are
    11 to 14 (own user and system, then those of children that ended).
    """
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # the process ended meanwhile
            continue
        if master in (int(stat.parent.name), int(fields[1])):
            ticks += sum(map(int, fields[11:15]))
    return ticks / TICKS_PER_SECOND


def report(rounds: list[tuple[float, float]], requests: int) -> None:
    """Print the cost of both, and the ratio with its spread over the rounds."""
    ratios = [service / floor for floor, service in rounds]
    size = len(make_bodies(today_template(), 1, seed=1)[0])
    floor, service = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"{len(rounds)} rounds of {requests} requests each, bodies of about {size / 1000:.1f} kB")
    print(f"floor    {floor:6.2f} ms CPU per request (median)")
    print(f"service  {service:6.2f} ms CPU per request (median)")
    print(f"ratio    {statistics.median(ratios):6.2f} (median; {min(ratios):.2f} to {max(ratios):.2f})")
    print(f"aim      {AIM:6.2f} or less")


def report_loading() -> None:
    """Print the CPU seconds of the first load of all card files in a fresh process: sealed, and checking everything."""
    sealed, unsealed = zip(*((load_seconds(SEALED), load_seconds(UNSEALED)) for _ in range(9)), strict=True)
    for name, seconds in (("loading", sealed), ("checking", unsealed)):
        spread = f"median of {len(seconds)}; {min(seconds):.2f} to {max(seconds):.2f}"
        print(f"{name:9}{statistics.median(seconds):6.2f} s CPU for all card files ({spread})")


def load_seconds(program: str) -> float:
    """Seconds of CPU that one expression takes in a Python of its own, imports left out."""
    timed = f"import time; begin = time.process_time(); {program}; print(time.process_time() - begin)"
    command = [sys.executable, "-c", f"{IMPORTS}; {timed}"]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    sys.exit(main())
