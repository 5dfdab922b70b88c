"""A Docker engine for the tests: the machine's own when it answers, else one that lives and dies with the session."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

BASE_IMAGE = "python:3.11-slim-bookworm"
# A docker command of another make may come first on the PATH and not know BuildKit's switch of Debian's.
DOCKER = "/usr/bin/docker" if os.access("/usr/bin/docker", os.X_OK) else "docker"

EMPTY: Mapping[str, str] = MappingProxyType({})


class EngineError(RuntimeError):
    """No engine could be started, or it refused a command. The tests fail: they are not skipped."""


class Engine:
    """One Docker engine, reached by its command. host: what DOCKER_HOST has to say, "" for the default."""

    def __init__(self, host: str):
        self.host = host

    def docker(
        self, *arguments: str, check: bool = True, timeout: float = 600, environment: Mapping[str, str] = EMPTY
    ) -> subprocess.CompletedProcess[str]:
        """Run `docker ...`; with `check`, a failure is an EngineError with the end of what it printed.

        environment: what docker's command has beside this process's own.
        """
        environment = {
            **os.environ, "DOCKER_BUILDKIT": "1", **({"DOCKER_HOST": self.host} if self.host else {}), **environment,
        }  # fmt: skip
        done = subprocess.run(
            [DOCKER, *arguments], env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )
        if check and done.returncode:
            raise EngineError(
                f"docker {' '.join(arguments)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-6000:]}"
            )
        return done

    def inspect(self, image: str) -> dict:
        """The image's configuration: user, environment, labels, command."""
        return json.loads(self.docker("image", "inspect", image).stdout)[0]

    def build(
        self,
        dockerfile: str,
        tag: str,
        context: Path,
        arguments: Mapping[str, str],
        environment: Mapping[str, str] = EMPTY,
    ) -> None:
        """Build with the host's network, the only one an engine without a bridge has."""
        named = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
        self.docker(
            "build", "--network", "host", "--progress", "plain", "-f", str(context / dockerfile), "-t", tag, *named,
            str(context), timeout=1500, environment=environment,
        )  # fmt: skip


@contextmanager
def running_engine() -> Iterator[Engine]:
    """The engine of DOCKER_HOST or of this machine, or a private one in a folder of its own."""
    machines = Engine(os.environ.get("DOCKER_HOST", ""))
    if shutil.which(DOCKER) and machines.docker("info", check=False, timeout=30).returncode == 0:
        yield machines
        return
    if os.environ.get("DOCKER_HOST"):
        raise EngineError(f"DOCKER_HOST is {machines.host}, but no Docker engine answers there")
    missing = [name for name in ("dockerd", "mmdebstrap", DOCKER) if not shutil.which(name)]
    if missing or os.geteuid() != 0:
        raise EngineError(
            f"no Docker engine answers, and none can be started here (missing: {', '.join(missing) or 'root rights'}); "
            "start one, or as root: apt-get install docker.io mmdebstrap"
        )
    with _private_engine() as engine:
        yield engine


@contextmanager
def _private_engine() -> Iterator[Engine]:
    """dockerd without bridge, firewall or systemd: containers have no network, builds have the host's."""
    root = Path(tempfile.mkdtemp(prefix="groundtune-docker-"))
    engine = Engine(f"unix://{root}/docker.sock")
    log = root / "dockerd.log"
    with log.open("wb") as stream:
        daemon = subprocess.Popen(
            [
                "dockerd", "-H", engine.host, "--data-root", f"{root}/data", "--exec-root", f"{root}/exec",
                "--pidfile", f"{root}/dockerd.pid", "--bridge=none", "--iptables=false", "--ip6tables=false",
                "--ip-forward=false", "--ip-masq=false", "--exec-opt", "native.cgroupdriver=cgroupfs",
                "--storage-driver=overlay2",
            ],
            stdout=stream, stderr=stream, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        _wait(engine, daemon, log)
        import_base_image(engine)
        yield engine
    finally:
        daemon.terminate()
        try:
            daemon.wait(30)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait(10)
        # A network namespace stays mounted when the daemon goes.
        subprocess.run(["umount", f"{root}/exec/netns/default"], capture_output=True, check=False)
        # Some 100,000 files of image layers: rm takes seconds where shutil.rmtree took minutes.
        subprocess.run(["rm", "-rf", str(root)], capture_output=True, check=False)


def _wait(engine: Engine, daemon: "subprocess.Popen[bytes]", log: Path, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if daemon.poll() is not None:
            break
        if engine.docker("info", check=False).returncode == 0:
            return
        time.sleep(0.3)
    raise EngineError(f"dockerd did not come up:\n{log.read_text(errors='replace')[-3000:]}")


def import_base_image(engine: Engine) -> None:
    """Debian 12 with Python 3.11 under the name the Dockerfiles start FROM, made by mmdebstrap: nothing is pulled.

    As slim as the real one: no Perl but dpkg's, no manuals, no translations, no bytecode. The machine's certificates
    and pip settings come along, so that pip in a build reaches what pip here reaches.
    """
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "pip.conf"
        settings.write_text(_pip_settings())
        bundle = os.path.realpath("/etc/ssl/certs/ca-certificates.crt")
        bootstrap = subprocess.Popen(
            [
                "mmdebstrap", "--quiet", "--variant=minbase",
                "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
                "--include=usr-is-merged,python3.11,python3.11-venv,python3-pip,ca-certificates",
                "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
                "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-include=/usr/share/doc/*/copyright",
                "--customize-hook=rm -f \"$1\"/usr/lib/python3.11/EXTERNALLY-MANAGED",
                "--customize-hook=find \"$1\"/usr -name __pycache__ -prune -exec rm -r {} +",
                "--customize-hook=ln -sf python3.11 \"$1\"/usr/bin/python",
                f"--customize-hook=cp {bundle} \"$1\"/etc/ssl/certs/ca-certificates.crt",
                f"--customize-hook=cp {settings} \"$1\"/etc/pip.conf",
                "bookworm", "-",
            ],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        environment = {**os.environ, "DOCKER_HOST": engine.host}
        taken_in = [DOCKER, "import", "-", BASE_IMAGE]
        imported = subprocess.run(taken_in, stdin=bootstrap.stdout, env=environment, capture_output=True, check=False)
        _, errors = bootstrap.communicate()
    if bootstrap.returncode or imported.returncode:
        said = errors.decode()[-3000:] + imported.stderr.decode()
        raise EngineError(f"mmdebstrap could not make {BASE_IMAGE}: {said}")


def _pip_settings() -> str:
    """This machine's pip settings but those that name its own files, which an image cannot see."""
    listed = subprocess.run(["python3", "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    lines = ["[global]", "cert = /etc/ssl/certs/ca-certificates.crt"]
    for line in listed.stdout.splitlines():
        name, _, value = line.partition("=")
        key, value = name.split(".")[-1], value.strip("'\"")
        if key in ("index-url", "extra-index-url", "trusted-host", "default-timeout", "proxy"):
            kept = " ".join(part for part in value.replace("\\n", " ").split() if not part.startswith("file:"))
            if kept:
                lines.append(f"{key} = {kept}")
    return "\n".join(dict.fromkeys(lines)) + "\n"
