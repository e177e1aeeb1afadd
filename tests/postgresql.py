"""A PostgreSQL server of the tests' own, from this machine's package."""

import os
import shutil
import subprocess
from pathlib import Path

PLACES = "/usr/lib/postgresql"  # Debian and Ubuntu keep its programs out of the path
USER = "postgres"  # it refuses to run as root


def found() -> Path | None:
    """The folder of PostgreSQL's programs, if it is installed."""
    path = shutil.which("initdb")
    folders = [Path(path).parent] if path else sorted(Path(PLACES).glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "pg_ctl").exists()), None)


class PostgreSQL:
    """A server with one empty database, on a socket in its own folder: no port is opened."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs, self.folder = programs, folder
        self.user = {"user": USER} if os.name == "posix" and os.geteuid() == 0 else {}
        if self.user:
            shutil.chown(folder, USER)
        self._run("initdb", "--auth=trust", f"--username={USER}", "--encoding=UTF8", "--no-sync")
        self.start()

    @property
    def address(self) -> str:
        """What HEADLAB_STORE takes."""
        return f"postgresql://{USER}@/postgres?host={self.folder}"

    def start(self) -> None:
        options = f"-c listen_addresses='' -c fsync=off -k {self.folder}"
        self._run("pg_ctl", "start", "-w", f"--log={self.folder / 'log'}", "-o", options)

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "-w", "-m", "immediate")

    def empty(self) -> None:
        """Drop every table."""
        import psycopg

        with psycopg.connect(self.address) as db:
            db.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")

    def _run(self, program: str, *arguments: object) -> None:
        environment = os.environ | {"PGDATA": str(self.folder / "data"), "LC_ALL": "C"}
        call = [str(self.programs / program), *map(str, arguments)]
        with (self.folder / f"{program}.txt").open("w+") as said:  # a pipe would outlive pg_ctl
            done = subprocess.run(
                call, cwd="/", env=environment, stdout=said, stderr=said, **self.user
            )
            said.seek(0)
            assert done.returncode == 0, said.read()
