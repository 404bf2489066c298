"""What can go wrong with a local tenant."""

from deployer.errors import FAILED, CommandError


class LocalTenantError(CommandError):
    """What happened and why, what to do about it, and a stable word for programs."""

    def __init__(self, code: str, message: str, remedy: str, exit_code: int = FAILED) -> None:
        super().__init__(message, remedy=remedy, code=code, exit_code=exit_code)
