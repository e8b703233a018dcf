"""The command line: serve, probe, check, fixture, demo-fhir, lint, resolve, clients, cohort, burden, feedback, db."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from cds_service import __version__
from cds_service.errors import ServiceError

_LAST_PORT = 65535
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0 done, 1 faults or cards found wrong, 2 wrong use."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.run
    try:
        return command(options)
    except ServiceError as error:
        print(f"cds-service: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cds-service", description="Check medication orders for interactions.")
    parser.add_argument("--version", action="version", version=f"cds-service {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="start the service")
    serve.add_argument("--host", default="127.0.0.1", help="default 127.0.0.1; others only with authentication")
    serve.add_argument("--port", type=_port, default=8000, help="default 8000")
    serve.add_argument("--workers", type=_positive, default=2, help="processes (default 2)")
    serve.set_defaults(run=_serve)

    probe = commands.add_parser("probe", help="fire a known interaction at a running service; fails when no card comes")
    probe.add_argument("url", metavar="URL", help="base URL of the service, such as https://cds.example.org")
    probe.add_argument("--token-file", type=Path, default=None, help="file with the token to show")
    probe.add_argument("--seconds", type=float, default=10, help="time the answer may take (default 10)")
    probe.set_defaults(run=_probe)

    check = commands.add_parser("check", help="run one hook call without a server and print its cards")
    check.add_argument("request", metavar="REQUEST.json", help="body of a hook call; - for standard input")
    check.add_argument("--json", action="store_true", help="print the response as JSON")
    check.add_argument("--today", type=_day, default=None, help="the day it is (YYYY-MM-DD; default today)")
    check.set_defaults(run=_check)

    fixture = commands.add_parser("fixture", help="print an example hook call with its dates moved to today")
    fixture.add_argument("name", nargs="?", help="leave out to list all")
    fixture.add_argument("--today", type=_day, default=None, help="move the dates to this day instead")
    fixture.set_defaults(run=_fixture)

    demo = commands.add_parser("demo-fhir", help="start a FHIR server (R4) with made-up patients, on this machine only")
    demo.add_argument("--port", type=_count, default=8081, help="default 8081")
    demo.set_defaults(run=_demo_fhir)

    lint = commands.add_parser("lint", help="check all card files; prints every fault at once")
    lint.add_argument("card", nargs="*", help="ids of cards to check; without one, all are")
    lint.add_argument("--stamp", action="store_true", help="first fill in empty checksums in the cards' history")
    lint.add_argument("--cards", type=Path, default=None, help="another folder of card files")
    lint.set_defaults(run=_lint)

    resolve = commands.add_parser("resolve", help="show what a drug name is understood as")
    resolve.add_argument(
        "texts", metavar="TEXT", nargs="*", help="leave out to read names, one a line, from standard input"
    )
    resolve.add_argument("--json", action="store_true", help="print one JSON object a line")
    resolve.add_argument("--list-ingredients", action="store_true", help="print the RxCUIs of the ingredients known")
    resolve.add_argument("--cards", type=Path, default=None, help="another folder of card files")
    resolve.set_defaults(run=_resolve)
    _add_clients_commands(commands)
    _add_burden_commands(commands)
    _add_store_commands(commands)
    return parser


def _add_clients_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    clients = commands.add_parser("clients", help="look after the file of CDS Clients (CDS_CLIENTS)")
    actions = clients.add_subparsers(required=True, metavar="ACTION")
    check = actions.add_parser("check", help="name every fault of the file, or print who may call, with which keys")
    check.add_argument("file", nargs="?", type=Path, help="another file than CDS_CLIENTS")
    check.set_defaults(run=_check_clients)


def _add_store_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    feedback = commands.add_parser("feedback", help="what became of the cards")
    parts = feedback.add_subparsers(required=True, metavar="COMMAND")
    report = parts.add_parser("report", help="per card and version: shown, accepted, overridden, reasons")
    report.add_argument("--since", type=_day, default=None, help="leave out what is older (YYYY-MM-DD)")
    report.add_argument(
        "--top", type=_count, default=20, help="lines of the table, most often shown first (default 20)"
    )
    form = report.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print all cards as CSV")
    form.add_argument("--json", action="store_true", help="print all cards as JSON")
    report.set_defaults(run=_feedback_report)

    database = commands.add_parser("db", help="look after the database")
    upgrade = database.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "upgrade", help="bring the database to the schema of this release"
    )
    upgrade.set_defaults(run=_db_upgrade)


def _add_burden_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    cohort = commands.add_parser("cohort", help="write order-sign calls of a synthetic population into an empty folder")
    cohort.add_argument("folder", type=Path, metavar="FOLDER", help="a new or empty folder")
    cohort.add_argument("--seed", type=int, default=1, help="the same seed gives the same files (default 1)")
    cohort.add_argument("--patients", type=int, default=500, help="one call each (default 500)")
    cohort.add_argument("--today", type=_day, default=None, help="the day of the orders (YYYY-MM-DD; default today)")
    cohort.set_defaults(run=_cohort)

    burden = commands.add_parser("burden", help="count the cards that many hook calls bring")
    burden.add_argument(
        "paths", type=Path, nargs="+", metavar="FIXTURES", help="folders of hook calls, or single files"
    )
    burden.add_argument("--json", type=Path, default=None, metavar="FILE", help="write the counts as JSON too")
    burden.add_argument("--html", type=Path, default=None, metavar="FILE", help="write the report as a web page too")
    burden.add_argument("--today", type=_day, default=None, help="the day of plain files (YYYY-MM-DD; default today)")
    burden.set_defaults(run=_burden)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is not a date; use YYYY-MM-DD') from None


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f'"{text}" is not a whole number')
    return int(text)


def _positive(text: str) -> int:
    if (number := _count(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is too few; use at least 1")
    return number


def _port(text: str) -> int:
    if not 1 <= (number := _count(text)) <= _LAST_PORT:
        raise argparse.ArgumentTypeError(f"{number} is not a port; use 1 to {_LAST_PORT}")
    return number


def _serve(options: argparse.Namespace) -> int:
    from cds_service.server import run_server
    from cds_service.settings import read_settings

    settings = read_settings(os.environ)
    if settings.access.mode == "off" and options.host not in _LOOPBACK:
        raise ServiceError(
            f"{options.host} is not a loopback address. With CDS_AUTH=off access is open, so the service listens on "
            f"{', '.join(_LOOPBACK)} only."
        )
    run_server(options.host, options.port, options.workers, settings)
    return 0


def _probe(options: argparse.Namespace) -> int:
    from cds_service.probe import ProbeFailed, probe

    token = _read(str(options.token_file)).decode("ascii", "replace").strip() if options.token_file else ""
    try:
        print(probe(options.url, token, _today(), options.seconds))
    except ProbeFailed as failure:
        print(f"cds-service: {failure}", file=sys.stderr)
        return 1
    return 0


def _check(options: argparse.Namespace) -> int:
    from cds_service.app import create_app
    from cds_service.settings import read_open_settings
    from cds_service.web.json_body import read_json
    from cds_service.web.services import service_of

    settings = read_open_settings(os.environ)
    day = options.today or _today()
    body = _read(options.request)
    service = service_of(read_json(body))
    client = create_app(settings, lambda: day).test_client()
    response = client.post(f"/cds-services/{service}", data=body, content_type="application/json")
    answer = read_json(response.get_data())
    if options.json:
        print(response.get_data(as_text=True))
    elif response.status_code == 200:
        print(_readable(answer))
    else:
        print(f"cds-service: {answer['issue'][0]['details']['text']}", file=sys.stderr)
    return 0 if response.status_code == 200 else 2


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise ServiceError(f"{name}: cannot be read ({error.strerror})") from None


def _readable(answer: dict[str, Any]) -> str:
    """The cards as text a person can read."""
    if not answer["cards"]:
        unseen = answer.get("extension", {}).get("local.cds-service", {}).get("notSeen", [])
        gaps = f" Not seen: {', '.join(unseen)}." if unseen else ""
        return f"No cards: every order was read and the check finished.{gaps}"
    blocks = []
    for card in answer["cards"]:
        lines = [f"[{card['indicator'].upper()}] {card['summary']}", "", *_indented(card["detail"])]
        lines += [f"  → {s['label']}" for s in card.get("suggestions", [])]
        if card.get("overrideReasons"):
            lines.append("  Reasons to go on: " + "; ".join(r["display"] for r in card["overrideReasons"]))
        lines += [f"  {link['label']}: {link['url']}" for link in card.get("links", [])]
        blocks.append("\n".join(lines))
    return ("\n\n" + "-" * 80 + "\n\n").join(blocks)


def _indented(markdown: str) -> list[str]:
    return [f"  {line.replace('**', '')}".rstrip() for line in markdown.splitlines()]


def _fixture(options: argparse.Namespace) -> int:
    from cds_service.fixtures import fixtures_folder, moved_to, read_fixtures

    known = {fixture.name: fixture for fixture in read_fixtures(fixtures_folder())}
    if options.name is None:
        for fixture in known.values():
            print(f"{fixture.name:45} {fixture.title}")
        return 0
    if options.name not in known:
        print(
            f'cds-service: there is no fixture "{options.name}". List them: cds-service fixture',
            file=sys.stderr,
        )
        return 2
    print(moved_to(known[options.name], options.today or _today()))
    return 0


def _demo_fhir(options: argparse.Namespace) -> int:
    from cds_service.demo_fhir.serving import serve_demo
    from cds_service.settings import read_open_settings

    zone = read_open_settings(os.environ).timezone
    serve_demo(options.port, lambda: datetime.now(zone).date())
    return 0


def _lint(options: argparse.Namespace) -> int:
    from cds_service.knowledge import cards_folder
    from cds_service.knowledge.folder import read_folder
    from cds_service.lint import lint, seal, stamp

    path = options.cards or cards_folder()
    try:
        if options.stamp:
            for name in stamp(path, tuple(options.card)):
                print(f"stamped {name}")
        folder = read_folder(path)
        faults = lint(folder, tuple(options.card))
        for fault in faults:
            print(fault)
        if options.stamp and not faults and not options.card:
            print(seal(folder))
    except OSError as error:
        raise ServiceError(f"{error.filename}: cannot be written ({error.strerror})") from None
    print(f"{len(faults)} fault(s)" if faults else _in_order(options.card))
    return 1 if faults else 0


def _resolve(options: argparse.Namespace) -> int:
    from cds_service.resolving import as_json, as_text, known_codes, read_names
    from cds_service.settings import read_open_settings

    if options.list_ingredients and options.texts:
        raise ServiceError("--list-ingredients takes no TEXT")
    names = read_names(options.cards or read_open_settings(os.environ).cards)
    if options.list_ingredients:
        print("\n".join(known_codes(names)))
        return 0
    texts = map(_text, options.texts) if options.texts else _lines()
    for found in (as_json if options.json else as_text)(texts, names):
        sys.stdout.buffer.write(found.encode() + b"\n")
    sys.stdout.flush()
    return 0


def _check_clients(options: argparse.Namespace) -> int:
    from cds_service.clients import describe, load_clients
    from cds_service.settings import read_open_settings
    from cds_service.web.services import SERVICES

    access = read_open_settings(os.environ).access
    path = options.file or access.clients
    if path is None:
        raise ServiceError("name a file of CDS Clients, or set CDS_CLIENTS")
    mode = "sandbox" if os.environ.get("CDS_AUTH") == "sandbox" else "required"
    clients = load_clients(replace(access, clients=path, mode=mode))
    print(describe(clients, access.public_url or "CDS_PUBLIC_URL", tuple(SERVICES)))
    return 0


def _text(argument: str) -> str:
    """An argument as the shell passed it; what is not UTF-8 in it is shown as such."""
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _lines() -> Iterator[str]:
    """The lines of standard input; only a line feed ends one."""
    for line in sys.stdin.buffer:
        yield line.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")


def _in_order(cards: list[str]) -> str:
    return f"In order: {', '.join(cards)}." if cards else "All card files are in order."


def _cohort(options: argparse.Namespace) -> int:
    from cds_service.cohort.drawing import write_cohort
    from cds_service.fixtures import fixtures_folder

    if options.patients < 1:
        raise ServiceError(f"--patients is {options.patients}. Use a whole number of at least 1.")
    day = options.today or _today()
    count = write_cohort(options.folder, fixtures_folder() / "cohort", options.seed, options.patients, day)
    print(f"Wrote {count} hook calls of seed {options.seed}, made for {day}, to {options.folder}")
    return 0


def _burden(options: argparse.Namespace) -> int:
    from cds_service.burden.counting import count_burden, find_calls, readable
    from cds_service.burden.page import write_page
    from cds_service.settings import read_open_settings
    from cds_service.web.json_body import write_json

    settings = read_open_settings(os.environ)
    calls, faults = find_calls(options.paths, options.today or _today())
    for fault in faults:
        print(f"cds-service: {fault}", file=sys.stderr)
    if not calls:
        raise ServiceError("there is no hook call to count")
    burden = count_burden(calls, settings)
    print(readable(burden))
    if options.json:
        _save(options.json, write_json(burden.as_json()) + b"\n")
    if options.html:
        _save(options.html, write_page(burden).encode())
    return 2 if faults else 0


def _feedback_report(options: argparse.Namespace) -> int:
    from cds_service import outcomes
    from cds_service.settings import read_store_settings

    found = outcomes.read_report(read_store_settings(os.environ), options.since)
    if options.json:
        print(outcomes.as_json(found))
    elif options.csv:
        sys.stdout.write(outcomes.as_csv(found))
    else:
        print(outcomes.as_table(found, options.top))
    return 0


def _db_upgrade(_: argparse.Namespace) -> int:
    from cds_service.settings import read_store_settings
    from cds_service.store.database import Store

    store = Store(read_store_settings(os.environ).storage.database)
    store.upgrade()
    print(f"{store.place} has the schema of this release.")
    return 0


def _today() -> date:
    from cds_service.settings import read_open_settings

    return datetime.now(read_open_settings(os.environ).timezone).date()


def _save(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise ServiceError(f"{path}: cannot be written ({error.strerror})") from None


if __name__ == "__main__":
    sys.exit(main())
