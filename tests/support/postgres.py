"""A private PostgreSQL server for tests, from the binaries that Debian installs."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import psycopg

START_SECONDS = 60


class NoPostgresError(Exception):
    """PostgreSQL is not installed, or cannot be run by this user."""


@dataclass(kw_only=True)
class PostgresServer:
    """Listens on a free port, of 127.0.0.1 unless told otherwise; lives in a folder of its own that
    goes with it."""

    folder: Path
    port: int
    password: str
    process: subprocess.Popen[bytes]
    host: str = "127.0.0.1"
    #: Whether what was committed survives a ``kill``; the tests' server is faster without.
    durable: bool = False
    n_databases: int = 0

    @classmethod
    def start(cls, *, host: str = "127.0.0.1", durable: bool = False) -> Self:
        """Raises NoPostgresError where it cannot, RuntimeError when the server does not come up."""
        binaries, account = _find_binaries(), _find_account()
        folder, password = _new_folder(account), secrets.token_hex(8)
        _init(binaries, folder, account, password)
        port = _free_port(host)
        server = cls(
            folder=folder,
            port=port,
            password=password,
            process=_spawn(binaries, folder, account, (host, port), durable),
            host=host,
            durable=durable,
        )
        server._wait()
        return server

    def start_standby(self) -> Self:
        """A server that follows this one; nothing is confirmed from now on that it lacks."""
        account = _find_account()
        folder, port = _new_folder(account), _free_port(self.host)
        _copy(self, folder, account)
        standby = replace(
            self,
            folder=folder,
            port=port,
            process=_spawn(
                _find_binaries(), folder, account, (self.host, port), durable=self.durable
            ),
        )
        standby._wait()
        with self._connect() as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
        return standby

    def promote(self) -> None:
        """Let a standby take over."""
        with self._connect() as connection:
            connection.execute("SELECT pg_promote()")

    def new_database(self, copy_of: str = "template1") -> str:
        """Create a database, empty or a copy of another; return its SQLAlchemy URL."""
        self.n_databases += 1
        name = f"test_{self.n_databases}"
        with self._connect() as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{copy_of}"'.encode())
        return f"postgresql+psycopg://sweep:{self.password}@{self.host}:{self.port}/{name}"

    def drop_database(self, url: str) -> None:
        """Delete a database, whoever is connected to it."""
        name = url.rpartition("/")[2]
        with self._connect() as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())

    def kill(self) -> None:
        """End the server's first process as kill -9 does; the others notice and follow."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Start again after ``kill``, over the same data, on the same port."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            self.process = _spawn(
                _find_binaries(),
                self.folder,
                _find_account(),
                (self.host, self.port),
                self.durable,
            )
            try:
                return self._wait()
            except RuntimeError:  # the old server's last process still has the memory they share
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)  # SIGTERM would wait for clients to leave
        self.process.wait(timeout=30)
        shutil.rmtree(self.folder)

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host=self.host,
            port=self.port,
            user="sweep",
            password=self.password,
            dbname="postgres",
            autocommit=True,
        )

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                return self._connect().close()
            except psycopg.OperationalError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    log = (self.folder / "log").read_text()
                    raise RuntimeError(f"PostgreSQL did not start.\n{log}") from error
                time.sleep(0.05)


def program(name: str) -> Path:
    """One of PostgreSQL's own programs, such as pg_dump. Raises NoPostgresError without it."""
    return _find_binaries() / name


def _find_binaries() -> Path:
    """Debian keeps them out of PATH, one folder a version; the newest will do."""
    debian = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    found = sorted(debian, key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        raise NoPostgresError("needs PostgreSQL: apt-get install postgresql")
    return found[-1].parent if found else Path(str(on_path)).parent


def _new_folder(account: str | None) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="sweep-postgres-"))
    if account is not None:
        shutil.chown(folder, account, account)
    return folder


def _find_account() -> str | None:
    """The account to run as; None stays who we are. PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    import pwd

    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        raise NoPostgresError("root needs an account named postgres to run PostgreSQL") from None


def _init(binaries: Path, folder: Path, account: str | None, password: str) -> None:
    password_file = folder / "password"
    password_file.write_text(password)
    subprocess.run(
        [
            binaries / "initdb",
            f"--pgdata={folder / 'data'}",
            "--username=sweep",
            f"--pwfile={password_file}",
            "--auth=md5",  # a connection takes 4 ms; scram-sha-256, which guards better, 20
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        ],
        cwd=folder,
        user=account,
        group=account,
        check=True,
        capture_output=True,
    )
    with (folder / "data" / "pg_hba.conf").open("a") as access:
        access.write("host all all samenet md5\n")


def _copy(server: PostgresServer, folder: Path, account: str | None) -> None:
    """A server's data, as its standby begins with them."""
    at = f"host={server.host} port={server.port} user=sweep password={server.password}"
    subprocess.run(
        [
            _find_binaries() / "pg_basebackup",
            f"--pgdata={folder / 'data'}",
            f"--dbname={at}",
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
        ],
        cwd=folder,
        user=account,
        group=account,
        check=True,
        capture_output=True,
    )


def _spawn(
    binaries: Path, folder: Path, account: str | None, address: tuple[str, int], durable: bool
) -> subprocess.Popen[bytes]:
    settings = {
        "listen_addresses": address[0],
        "port": str(address[1]),
        "unix_socket_directories": "",
        "fsync": "off",
        "synchronous_commit": "on" if durable else "off",
        "full_page_writes": "off",
    }
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [
                *_ends_with_us(),
                binaries / "postgres",
                "-D",
                folder / "data",
                *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            ],
            cwd=folder,
            user=account,
            group=account,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _ends_with_us() -> tuple[str, ...]:
    """Where the system can, the server ends with a pytest that crashed or was killed."""
    return ("setpriv", "--pdeathsig", "INT") if shutil.which("setpriv") else ()


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port
