"""`python -m tests.simulators.azurerm`: serve the provider and its control API until standard input ends or SIGTERM comes.

Prints one line of JSON: `reattach`, the value for TF_REATTACH_PROVIDERS, `control`, the API's URL, and `door`, the port that
`plugin.make_mirror` wants.
"""

import json
import os
import sys

from tests.simulators.azurerm import control, plugin, schema
from tests.simulators.azurerm.cloud import Azure
from tests.simulators.azurerm.provider import Provider


def main() -> None:
    azure = Azure()
    server, port = Provider(azure).serve()
    _, url = control.serve(azure)
    door = plugin.Door(azure)
    reattach = {
        schema.SOURCE: {
            "Protocol": "grpc",
            "ProtocolVersion": 5,
            "Pid": os.getpid(),
            "Test": True,
            "Addr": {"Network": "tcp", "String": f"127.0.0.1:{port}"},
        }
    }
    print(json.dumps({"reattach": json.dumps(reattach), "control": url, "door": door.port}), flush=True)
    sys.stdin.read()
    server.stop(grace=0)


if __name__ == "__main__":
    main()
