"""The images, built by buildah from the Dockerfile as it is, and run as a careful orchestrator runs them: as process 1, as
their own user, with a root that cannot be written.

A Debian root by debootstrap stands in for the registry's base, and packages come from a folder, by the lock files' hashes.
Needs root, buildah and debootstrap (`make test-full` installs them), Debian's and PyPI's mirrors, and some minutes.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployer.local.ports import free_port
from release.locks import IMAGES, ROOT, lock_file, read_lock
from release.tag import version
from tests.proxy.stack import eventually

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("buildah") or not shutil.which("debootstrap"),
        reason="needs Linux, root, buildah and debootstrap",
    ),
]

DEBIANS_PYTHON = "3.11.2"
SETTINGS = {"ADUANA_PEPPERS": "1=env:PEPPER", "PEPPER": "p" * 32}

# What an orchestrator does with `readOnlyRootFilesystem`: only /tmp and the state can be written, only the image is seen.
CONTAIN = """
set -eu
root=$1; shift
mount --make-rprivate /
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o uid=65532,gid=65532,mode=0700 tmpfs "$root/var/lib/aduana"
exec chroot "$@"
"""


def run(*command: Any, **options: Any) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@dataclass(frozen=True, slots=True)
class Image:
    """A built image: its root, and what it says about how it is run."""

    root: Path
    config: dict[str, Any]

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start it with these in place of its own arguments; settings come from the image and `environment` alone."""
        said = dict(entry.split("=", 1) for entry in self.config["Env"]) | environment
        inside = [
            "/usr/bin/env",
            "-i",
            *(f"{name}={value}" for name, value in said.items()),
            *self.config["Entrypoint"],
        ]
        chroot = [f"--userspec={self.config['User']}", str(self.root), *inside, *arguments]
        return subprocess.Popen(
            [
                "unshare",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--",
                "sh",
                "-c",
                CONTAIN,
                "contain",
                str(self.root),
                *chroot,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def healthy(self, url: str) -> bool:
        """What its HEALTHCHECK says."""
        _, *command = self.config["Healthcheck"]["Test"]
        path = next(entry for entry in self.config["Env"] if entry.startswith("PATH="))
        checked = ["/usr/bin/env", "-i", path, f"HEALTH_URL={url}", *command]
        return (
            subprocess.run(
                ["chroot", f"--userspec={self.config['User']}", self.root, *checked], capture_output=True
            ).returncode
            == 0
        )


def end(process: subprocess.Popen[str]) -> int:
    """Send SIGTERM to the container's process 1; the exit code."""
    (first,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(first), signal.SIGTERM)
    return process.wait(timeout=45)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Image]]:
    directory = tmp_path_factory.mktemp("images")
    storage = ["--root", directory / "storage", "--runroot", directory / "run"]
    # Overlay copies nothing, but does not work inside every container.
    overlay = ["buildah", "--storage-driver", "overlay", *storage]
    works = subprocess.run([str(part) for part in [*overlay, "info"]], capture_output=True).returncode == 0
    buildah = overlay if works else ["buildah", "--storage-driver", "vfs", *storage]
    build = [*buildah, "bud", "--isolation", "chroot", "--format", "docker"]
    try:
        wheels = _wheels(directory)
        base = _base(directory, build)
        sources = ["--build-arg", f"BASE={base}", "--build-context", f"wheels={wheels}"]
        (directory / "pip.conf").write_text("[global]\nno-index = true\n")
        for image in IMAGES:
            # pip is told to keep off the network by either way that a mirror can be named.
            secret = ["--secret", f"id=pip,src={directory / 'pip.conf'}"]
            offline = secret if image == "job" else ["--build-arg", "PIP_NO_INDEX=1"]
            run(*build, *sources, *offline, "--target", image, "--tag", f"localhost/{image}", ROOT)
        yield {image: _opened(buildah, image) for image in IMAGES}
    finally:
        subprocess.run([str(part) for part in [*buildah, "rm", "--all"]], capture_output=True)
        shutil.rmtree(directory, ignore_errors=True)


def _wheels(directory: Path) -> Path:
    """What the images install, fetched by the same hashes; chosen by the image's Python, which pip does not do by markers."""
    needed = {
        one.name: one
        for image in (*IMAGES, "build")
        for one in read_lock(lock_file(image))
        if one.applies(DEBIANS_PYTHON)
    }
    lines = [
        f"{one.name}=={one.version} {' '.join(f'--hash=sha256:{h}' for h in one.hashes)}\n" for one in needed.values()
    ]
    (directory / "wheels.txt").write_text("".join(lines))
    download = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--require-hashes",
        "--only-binary",
        ":all:",
    ]
    run(
        *download, "--python-version", "3.11", "--dest", directory / "wheels", "--requirement", directory / "wheels.txt"
    )
    return directory / "wheels"


def _base(directory: Path, build: list[Any]) -> str:
    root = directory / "debian"
    run("debootstrap", "--variant=minbase", "--include=python3-venv,ca-certificates", "bookworm", root)
    left_out = [
        f"--exclude=./{path}" for path in ("proc/*", "sys/*", "dev/*", "var/cache/apt/*", "var/lib/apt/lists/*")
    ]
    run("tar", "-C", root, *left_out, "-cf", directory / "base.tar", ".")
    shutil.rmtree(root)
    (directory / "Base").write_text("FROM scratch\nADD base.tar /\nENV PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin\n")
    run(*build, "--tag", "localhost/base", "--file", directory / "Base", directory)
    return "localhost/base"


def _opened(buildah: list[Any], image: str) -> Image:
    container = run(*buildah, "from", "--pull-never", f"localhost/{image}").strip()
    config = json.loads(run(*buildah, "inspect", "--type", "image", f"localhost/{image}"))["Docker"]["config"]
    return Image(Path(run(*buildah, "mount", container).strip()), config)


@pytest.mark.parametrize(
    ("image", "arguments", "ready"),
    [
        ("proxy", ["proxy", "--port", "{port}"], True),
        ("proxy", ["proxy.writer", "--metrics-port", "{port}"], False),
        ("admin", ["admin", "--port", "{port}"], True),
    ],
)
def test_a_service_lives_on_a_read_only_root_is_found_healthy_and_ends_with_0_when_told(
    images: dict[str, Image], database_url: str, image: str, arguments: list[str], ready: bool
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    given = [argument.format(port=port) for argument in arguments]
    process = images[image].start(*given, ADUANA_DATABASE_URL=database_url, **SETTINGS)
    try:

        def answers(path: str) -> bool:
            assert process.poll() is None, process.stdout.read()
            try:
                return httpx.get(url + path, trust_env=False).status_code == 200
            except httpx.TransportError:
                return False

        assert not images[image].healthy(f"{url}/nothing")
        eventually("it lives", lambda: answers("/livez"))
        if ready:
            eventually("it is ready", lambda: answers("/readyz"))
        assert images[image].healthy(f"{url}/livez")
        assert end(process) == 0, process.stdout.read()
    finally:
        process.kill()


def test_the_arguments_of_an_image_are_its_service_on_its_port(images: dict[str, Image]) -> None:
    for image, port in (("proxy", 8080), ("admin", 8081)):
        config = images[image].config
        assert [*config["Entrypoint"], *config["Cmd"]] == [
            "python3",
            "-m",
            image,
            "--host",
            "0.0.0.0",
            "--port",
            str(port),
        ]
        assert list(config["ExposedPorts"]) == [f"{port}/tcp"]
        assert f"HEALTH_URL=http://127.0.0.1:{port}/livez" in config["Env"]


def test_the_job_migrates_and_seeds_and_one_that_hangs_ends_when_told(
    images: dict[str, Image], empty_database_url: str
) -> None:
    def done(*arguments: str, **environment: str) -> str:
        process = images["job"].start(*arguments, **environment)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        return output

    assert done("--version") == f"aduana {version()}\n"
    settings = {"ADUANA_DATABASE_URL": empty_database_url, **SETTINGS}
    assert "brought from nothing" in done("migrate", **settings)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/nothing"
        hanging = images["job"].start("migrate", ADUANA_DATABASE_URL=url, **SETTINGS)
        silent.settimeout(30)
        connection, _ = silent.accept()
        assert end(hanging) == 143
        connection.close()


@pytest.mark.parametrize(
    ("image", "rooms"), [("proxy", {"core", "proxy"}), ("admin", {"core", "admin"}), ("job", {"core", "deployer"})]
)
def test_an_image_holds_what_it_runs_and_nothing_that_builds_or_lends_rights(
    images: dict[str, Image], image: str, rooms: set[str]
) -> None:
    built = images[image]
    (packages,) = (built.root / "opt/aduana/lib").glob("python3*/site-packages")
    held = {path.name.partition("-")[0].replace("_", "-").lower() for path in packages.glob("*.dist-info")}
    locked = {one.name for one in read_lock(lock_file(image)) if one.applies(DEBIANS_PYTHON)}
    assert held == {*locked, "aduana"}
    assert {
        room for room in ("core", "proxy", "admin", "deployer", "infra", "tests") if (packages / room).exists()
    } == rooms
    sources = [path for path in packages.rglob("*.py") if path.stem.isidentifier()]
    assert all(
        list((path.parent / "__pycache__").glob(f"{path.stem}.cpython-*.pyc"))
        for path in sources
        if path.parts[-2] in rooms
    )
    files = [path for path in built.root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in files if path.stat().st_mode & 0o6000]
    assert not [path for path in files if path.name in ("gcc", "cc", "make", "pip", "pip3", "git")]
    assert not (built.root / "etc/pip.conf").exists()
    owned = [path for path in built.root.rglob("*") if path.lstat().st_uid == 65532]
    assert owned == [built.root / "var/lib/aduana"]
    labels = built.config["Labels"]
    assert labels["org.opencontainers.image.version"] == version()
    assert built.config["User"] == "65532:65532"
    assert sum(path.stat().st_size for path in files if path.is_relative_to(built.root / "opt")) < 250 << 20
