"""A private PostgreSQL for tests, from Debian's package: its own folder, port and unprivileged user."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.servers import Server, free_port

SUPERUSER, PASSWORD = "postgres", "superuser-of-the-tests"


@dataclass
class PostgresServer(Server):
    """`variables` are what PostgreSQL's own clients read; the superuser's."""

    port: int = 0

    @property
    def sockets(self) -> Path:
        """The folder of its Unix socket: a container without network reaches it there."""
        return self.folder / "sockets"

    @property
    def variables(self) -> dict[str, str]:
        return {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": SUPERUSER, "PGPASSWORD": PASSWORD}

    def answers(self) -> bool:
        probe = [program("pg_isready"), "--host=127.0.0.1", f"--port={self.port}", "--username=postgres", "--quiet"]
        return subprocess.run(probe, check=False).returncode == 0

    def run_file(self, file: Path, **environment: str) -> None:
        """What the image does with a file of /docker-entrypoint-initdb.d."""
        command = [program("psql"), "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "--file", str(file)]
        done = subprocess.run(
            command, env={**os.environ, **self.variables, **environment}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def query(self, sql: str, database: str = "postgres") -> list[str]:
        """The rows, one line each."""
        command = [
            program("psql"),
            "--no-psqlrc",
            "--tuples-only",
            "--no-align",
            "--dbname",
            database,
            "--command",
            sql,
        ]
        done = subprocess.run(command, env={**os.environ, **self.variables}, capture_output=True, text=True, check=True)
        return done.stdout.split()


def program(name: str) -> str:
    """A program of PostgreSQL; Debian keeps the server's outside of the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}")) or [shutil.which(name)]
    assert found[-1], f"no {name}: apt-get install postgresql"
    return str(found[-1])


def _as_nobody_special() -> list[str]:
    """PostgreSQL refuses to run as root."""
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []


@contextlib.contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A started, empty PostgreSQL that asks for passwords; stopped and its data deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="groundtune-postgresql-", ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        (root / "password").write_text(PASSWORD)
        (root / "sockets").mkdir()
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            for path in (root, root / "password", root / "sockets"):
                os.chown(path, user.pw_uid, user.pw_gid)
        lower = _as_nobody_special()
        subprocess.run(
            [
                *lower, program("initdb"), "--pgdata", str(root / "data"), "--username", SUPERUSER, "--data-checksums",
                "--auth", "scram-sha-256", "--pwfile", str(root / "password"), "--no-sync", "--encoding", "UTF8",
            ],
            check=True, capture_output=True, cwd=root,
        )  # fmt: skip
        port = free_port()
        server = PostgresServer(root, [], ready=lambda: server.answers(), port=port)
        server.command = [
            *lower, program("postgres"), "-D", str(root / "data"), "-c", f"port={port}",
            "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={root / 'sockets'}",
        ]  # fmt: skip
        server.start()
        try:
            yield server
        finally:
            server.kill()
