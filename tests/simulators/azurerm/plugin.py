"""The provider as Terraform starts it by itself: a mirror with a binary in it, which hands over to this process.

The binary is a script (`launcher.py`). It tells its environment over a socket, gets the line that go-plugin wants of a plugin,
prints it, and stays until Terraform shuts the plugin down. Behind the line is a server of the plugin's own, with TLS by a
certificate that the line carries, as Terraform demands it of what it starts.
"""

import base64
import contextlib
import datetime
import json
import platform
import shlex
import socket
import stat
import sys
import threading
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.simulators.azurerm import schema
from tests.simulators.azurerm.cloud import Azure
from tests.simulators.azurerm.provider import Provider

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_MACHINE = platform.machine().lower()
PLATFORM = f"{platform.system().lower()}_{_MACHINES.get(_MACHINE, _MACHINE)}"
"""This machine's, as Terraform calls it."""
_LAUNCHER = Path(__file__).with_name("launcher.py")


class Door:
    """Where launchers come in."""

    def __init__(self, azure: Azure) -> None:
        self._azure = azure
        self._key, self._certificate = _certificate()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            launcher, _ = self._socket.accept()
            threading.Thread(target=self._serve, args=(launcher,), daemon=True).start()

    def _serve(self, launcher: socket.socket) -> None:
        with launcher, launcher.makefile("rw") as lines:
            environment = json.loads(lines.readline())
            over = threading.Event()
            credentials = grpc.ssl_server_credentials([(self._key, self._certificate.public_bytes(_PEM))])
            server, port = Provider(self._azure, environment, over).serve(credentials=credentials)
            certificate = base64.b64encode(self._certificate.public_bytes(_DER)).decode().rstrip("=")
            lines.write(f"1|5|tcp|127.0.0.1:{port}|grpc|{certificate}\n")
            lines.flush()
            # A launcher that is killed closes its end; a plugin that is shut down closes ours.
            threading.Thread(target=_watch, args=(launcher, over), daemon=True).start()
            over.wait()
            with contextlib.suppress(OSError):
                launcher.shutdown(socket.SHUT_RDWR)
            server.stop(grace=1.0)


def _watch(launcher: socket.socket, over: threading.Event) -> None:
    with contextlib.suppress(OSError):
        launcher.recv(1)
    over.set()


def make_mirror(directory: Path, port: int) -> Path:
    """A filesystem mirror with this provider in it, as `provider_installation` and `-plugin-dir` want it."""
    folder = directory.joinpath(*schema.SOURCE.split("/"), schema.VERSION, PLATFORM)
    folder.mkdir(parents=True)
    binary = folder / f"terraform-provider-azurerm_v{schema.VERSION}"
    arguments = shlex.join([sys.executable, "-I", "-S", str(_LAUNCHER), str(port)])
    binary.write_text(f"#!/bin/sh\nexec {arguments}\n")
    binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
    return directory


_PEM, _DER = serialization.Encoding.PEM, serialization.Encoding.DER


def _certificate() -> tuple[bytes, x509.Certificate]:
    """A key (PEM) and a certificate for `localhost`, the name that go-plugin asks for, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private, certificate
