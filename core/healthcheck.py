"""`python -m core.healthcheck [URL]`: whether the service in this container answers, for runtimes that start a command to know.

Where the orchestrator asks over HTTP by itself (Container Apps, Kubernetes) nothing needs this. It loads the standard
library alone: it runs every half minute.
"""

import http.client
import os
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

_PATIENCE = 4.0  # seconds, below the five that the image's HEALTHCHECK gives


def main(arguments: Sequence[str], given: str | None) -> int:
    """Exit code: 0 it answers 200, 1 it does not, 2 no URL that can be asked. `given`: the URL where none is an argument."""
    url = urlsplit(arguments[0] if arguments else given or "")
    try:
        port = url.port or 80
    except ValueError:
        port = 0
    if url.scheme != "http" or not url.hostname or not port or len(arguments) > 1:
        print("say what to ask: python -m core.healthcheck http://127.0.0.1:8080/livez, or HEALTH_URL", file=sys.stderr)  # noqa: T201
        return 2
    # No proxy from the environment: what is asked is this container.
    connection = http.client.HTTPConnection(url.hostname, port, timeout=_PATIENCE)
    try:
        connection.request("GET", url.path or "/")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        print(f"{url.geturl()} does not answer: {error or type(error).__name__}", file=sys.stderr)  # noqa: T201
        return 1
    finally:
        connection.close()
    if status != 200:
        print(f"{url.geturl()} answers {status}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ.get("HEALTH_URL")))
