"""`env:NAME`: a variable of the process's environment, which is handed in."""

from collections.abc import Mapping

from core.secrets import SecretNotFound, SecretRef


class EnvironmentSource:
    """An empty variable counts as none: that is what an unset value in a deployment's template leaves behind."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    async def read(self, ref: SecretRef) -> str:
        value = self._environment.get(ref.name)
        if not value:
            raise SecretNotFound(f"{ref}: the environment variable is {'not set' if value is None else 'empty'}")
        return value
