"""The store over both kinds of database: schema, counts of cards shown, used tokens, and what happens without one."""

from __future__ import annotations

import logging
import stat
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, inspect, select, text

from cds_service.app import close_app, create_app
from cds_service.core.values import CardOrigin, Knowledge
from cds_service.errors import SettingsError, StartError
from cds_service.settings import read_settings
from cds_service.store.database import Store, database_url
from cds_service.store.migrate import MIGRATIONS
from cds_service.store.replay import build_replay_guard, purge_used
from cds_service.store.shown import ShownCounts
from cds_service.store.tables import REVISIONS, metadata, shown, used_jti
from tests.commands import RIGHTS_COUNT, ROOT, refusal, run
from tests.feedback import app_with, overridden, send, stored
from tests.helpers import TODAY, answer_of, cns_card, hook_call
from tests.postgres import PASSWORD, Postgres

CARD = CardOrigin("a-rule", 3, "warning")
NOWHERE = "postgresql://cds:canary-database-password@127.0.0.1:1/cds"


class Memory:
    """What a process remembers of used tokens by itself."""

    def __init__(self) -> None:
        self.used: set[tuple[str, str]] = set()

    def is_new(self, client_id: str, jti: str, expires: float) -> bool:
        """Whether it is used for the first time."""
        is_new = (client_id, jti) not in self.used
        self.used.add((client_id, jti))
        return is_new


def times_shown(database: str) -> dict[tuple[date, str, str], int]:
    """Day, client and rule -> how often, as the database has it."""
    store = Store(database)
    with store.reading() as connection:
        rows = connection.execute(select(shown.c.day, shown.c.client, shown.c.rule, shown.c.times)).all()
    store.close()
    return {(day, client, rule): times for day, client, rule, times in rows}


# --- The schema ----------------------------------------------------------------------------------------


def test_migrations_from_empty_and_again(empty_database: str) -> None:
    """The command makes the tables as the code has them; a second run changes nothing."""
    for _ in range(2):
        done = run("db", "upgrade", CDS_DATABASE_URL=empty_database)
        assert done.returncode == 0, done.stderr
        assert PASSWORD.encode() not in done.stdout + done.stderr
    store = Store(empty_database)
    with store.reading() as connection:
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    store.close()


def test_the_revisions_of_the_code_are_those_of_the_migrations() -> None:
    """Whether a schema is old is seen without Alembic, so the list must be right."""
    script = ScriptDirectory(str(MIGRATIONS))
    assert tuple(reversed([one.revision for one in script.walk_revisions()])) == REVISIONS


def test_postgresql_is_migrated_by_the_command_only(postgres: Postgres, knowledge: Knowledge) -> None:
    """Before it: a sentence for readiness, 503 for feedback, cards as ever. After it: both work, without a restart."""
    url = postgres.new_database()
    app = app_with(url)
    store = Store(url)
    assert "db upgrade" in store.health().message
    card = cns_card(answer_of(app.test_client(), hook_call(knowledge)))["uuid"]
    assert send(app.test_client(), overridden(card)).status_code == 503
    assert run("db", "upgrade", CDS_DATABASE_URL=url).returncode == 0
    assert eventually(lambda: send(app.test_client(), overridden(card)).status_code == 200)
    assert store.health().ok
    store.close()
    close_app(app)
    assert len(stored(url)) == 1


def test_a_newer_schema_is_used_as_it_is(database: str) -> None:
    """While machines are updated one after the other, the old release goes on."""
    store = Store(database)
    with store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    store.close()
    assert store.health().ok
    store.prepare()
    app = app_with(database)
    assert send(app.test_client(), overridden("a card")).status_code == 200
    close_app(app)


def test_four_processes_make_one_sqlite_file(tmp_path: Path) -> None:
    """Started at the same moment, all of them end well, and the file is only its owner's."""
    file = tmp_path / "new" / "data" / "cds-service.sqlite3"
    code = (
        "import sys, time; from cds_service.store.database import Store\n"
        "time.sleep(max(0, float(sys.argv[2]) - time.time()))\n"
        "store = Store(sys.argv[1]); store.prepare(); print(store.health().message)"
    )
    at = str(time.time() + 3)
    command = [sys.executable, "-W", "error", "-c", code, f"sqlite:///{file}", at]
    started = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(4)
    ]
    assert [process.communicate(timeout=120)[0] for process in started] == ["ok\n"] * 4
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


# --- Settings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgresql_by_each_of_its_names(postgres: Postgres, scheme: str) -> None:
    """All spellings mean psycopg, and the place is told without the password."""
    store = Store(postgres.url("postgres", scheme))
    assert "no schema yet" in store.health().message
    assert store.place.startswith("postgresql+psycopg://cds:***@127.0.0.1")
    store.close()


@pytest.mark.parametrize(
    "url", ["mysql://u:canary@h/d", "canary", "sqlite://", "postgresql://u:canary@h:port/d", "sqlite:///a?b=c"]
)
def test_another_database_is_refused_without_repeating_its_address(url: str) -> None:
    """It may hold a password."""
    with pytest.raises(SettingsError, match="postgresql://user:password@host") as refused:
        database_url(url)
    assert "canary" not in str(refused.value)
    assert "CDS_DATABASE_URL" in refusal(run("serve", CDS_AUTH="off", CDS_DATABASE_URL=url))


def test_settings_do_not_show_their_secrets() -> None:
    """Neither the password nor the key is in what a debugger or a log prints of them."""
    shown_text = repr(read_settings({"CDS_AUTH": "off", "CDS_DATABASE_URL": NOWHERE, "CDS_CARD_KEY": "canary" * 4}))
    assert "canary" not in shown_text


def test_a_short_key_is_refused() -> None:
    """And not repeated."""
    with pytest.raises(SettingsError, match="at least 16") as refused:
        read_settings({"CDS_AUTH": "off", "CDS_CARD_KEY": "canary"})
    assert "canary" not in str(refused.value)


def test_a_folder_that_cannot_hold_the_file_stops_the_start() -> None:
    """A sentence that names the folder, no stack trace."""
    told = refusal(run("serve", CDS_AUTH="off", CDS_DATA="/dev/null/data"))
    assert "CDS_DATA: /dev/null/data" in told


def test_a_folder_without_write_permission_stops_the_start(tmp_path: Path) -> None:
    """A sentence that names the file and what the system says."""
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o555)
    code = "import sys; from cds_service.store.database import Store; Store(sys.argv[1]).prepare()"
    command = [*RIGHTS_COUNT, sys.executable, "-c", code, f"sqlite:///{folder}/cds.sqlite3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert f"StartError: CDS_DATA: {folder}/cds.sqlite3 cannot be used: Permission denied." in done.stderr


def test_a_file_that_is_no_database_stops_the_start(tmp_path: Path) -> None:
    """Nothing is overwritten."""
    file = tmp_path / "cds.sqlite3"
    file.write_bytes(b"not a database at all, " * 100)
    with pytest.raises(StartError, match="cannot be used"):
        Store(f"sqlite:///{file}").prepare()
    assert file.read_bytes().startswith(b"not a database")


def test_the_published_key_is_named_at_start_where_access_is_not_open(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With CDS_AUTH=required and no key the log says what that means; with a key it does not."""
    clients = tmp_path / "clients.yaml"
    clients.write_text("clients: [{id: a, iss: 'https://a.example.org', jku: 'https://a.example.org/keys'}]")
    required = {"CDS_CLIENTS": str(clients), "CDS_PUBLIC_URL": "https://cds.example.org", "CDS_AUTH": "required"}
    for more, is_told in (({}, True), ({"CDS_CARD_KEY": "a-secret-of-the-site"}, False)):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "cds_service"):
            close_app(create_app(read_settings(required | more)))
        assert ("CDS_CARD_KEY" in caplog.text) == is_told


# --- Cards shown ---------------------------------------------------------------------------------------


def test_cards_shown_are_counted_and_survive_a_restart(database: str, knowledge: Knowledge) -> None:
    """By day, client and rule; two lives of the service add up."""
    body = hook_call(knowledge)
    for calls in (2, 3):
        app = app_with(database)
        for _ in range(calls):
            card = cns_card(answer_of(app.test_client(), body))
        close_app(app)
    rule = card["extension"]["local.cds-service"]["rules"][0]["id"]
    assert times_shown(database)[TODAY, "open", rule] == 5


def test_counts_are_written_while_the_service_runs(database: str) -> None:
    """Every few seconds, by a thread that the first count starts."""
    store = Store(database)
    counts = ShownCounts(store, seconds=0.05)
    counts.add(TODAY, "open", [CARD, CARD])
    assert eventually(lambda: times_shown(database) == {(TODAY, "open", "a-rule"): 2})
    counts.add(TODAY + timedelta(1), "open", [CARD])
    counts.close()
    store.close()
    assert sum(times_shown(database).values()) == 3


def test_counts_wait_in_memory_for_a_database_that_is_down(postgres: Postgres) -> None:
    """Nothing is lost, and nothing is counted twice, when the server comes back."""
    url = postgres.new_database()
    Store(url).upgrade()
    store = Store(url)
    counts = ShownCounts(store, seconds=0.05)
    counts.add(TODAY, "open", [CARD])
    assert eventually(lambda: sum(times_shown(url).values()) == 1)
    postgres.kill()
    try:
        for _ in range(10):
            counts.add(TODAY, "open", [CARD])
            time.sleep(0.05)
        assert not store.health().ok
    finally:
        postgres.start()
    assert eventually(lambda: sum(times_shown(url).values()) == 11)
    counts.close()
    store.close()


def test_counts_that_cannot_be_written_at_the_end_are_named(caplog: pytest.LogCaptureFixture) -> None:
    """The log says how many cards were not counted."""
    counts = ShownCounts(Store(NOWHERE))
    counts.add(TODAY, "open", [CARD, CARD])
    with caplog.at_level(logging.WARNING, "cds_service"):
        counts.close()
    assert "'cards': 2" in caplog.text
    assert "canary" not in caplog.text


# --- Used tokens ---------------------------------------------------------------------------------------


def test_ch162_a_token_counts_once_for_all_machines(database: str) -> None:
    """Two processes with one database; another client's token of the same name is another token."""
    stores = Store(database), Store(database)
    here, there = (build_replay_guard(store, Memory()) for store in stores)
    soon = time.time() + 300
    assert here.is_new("client-1", "jti", soon)
    assert not there.is_new("client-1", "jti", soon)
    assert not here.is_new("client-1", "jti", soon)
    assert there.is_new("client-2", "jti", soon)
    with stores[0].reading() as connection:
        kept = connection.execute(select(used_jti.c.jti)).scalars().all()
    for store in stores:
        store.close()
    assert len(kept) == 2
    assert all(len(digest) == 64 for digest in kept)


def test_ch162_expired_tokens_are_forgotten(database: str) -> None:
    """Only those, and some time after their end, for clocks that differ."""
    guard = build_replay_guard(store := Store(database), Memory())
    now = time.time()
    for name, expires in (("old", now - 600), ("just over", now - 30), ("valid", now + 30)):
        assert guard.is_new("client-1", name, expires)
    purge_used(store, now)
    with store.reading() as connection:
        assert connection.execute(select(func.count()).select_from(used_jti)).scalar_one() == 2
    store.close()


def test_ch162_without_the_database_each_process_knows_its_own(postgres: Postgres) -> None:
    """No token is refused for it, a repeat is, health says so; and what was used meanwhile is known afterwards."""
    url = postgres.new_database()
    Store(url).upgrade()
    guard = build_replay_guard(store := Store(url), Memory())
    soon = time.time() + 300
    assert guard.is_new("client-1", "before", soon)
    postgres.kill()
    try:
        assert guard.is_new("client-1", "during", soon)
        assert not guard.is_new("client-1", "during", soon)
        assert not guard.is_new("client-1", "before", soon)
        assert not store.health().ok
        assert PASSWORD not in store.health().message
    finally:
        postgres.start()
    assert eventually(lambda: store.health().ok)
    assert not guard.is_new("client-1", "during", soon)
    assert guard.is_new("client-1", "after", soon)
    store.close()


def eventually(holds: object) -> bool:
    """Whether it holds within a minute."""
    for _ in range(600):
        if holds():  # type: ignore[operator]
            return True
        time.sleep(0.1)
    return False
