"""The provider's binary, as Terraform sees it: `launcher.py PORT`. Light, for it is started several times a command."""

import json
import os
import signal
import socket
import sys


def main(port: str) -> None:
    """Tell the environment, print what go-plugin wants to read, and stay until the plugin is shut down."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Terraform tells its plugins to stop by a call
    with socket.create_connection(("127.0.0.1", int(port))) as door, door.makefile("rw") as lines:
        arm = {name: value for name, value in os.environ.items() if name.startswith("ARM_")}
        lines.write(json.dumps(arm) + "\n")
        lines.flush()
        sys.stdout.write(lines.readline())
        sys.stdout.flush()
        lines.readline()


main(*sys.argv[1:])
