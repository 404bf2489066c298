"""A tenant's database in files: `archive` and `restore` keep and bring back all of it, `exports` writes ledger and audit log
for people and other systems. Both read one moment of the database, and say in a manifest what they wrote, with checksums.

Sealed secrets stay sealed, and of keys there is the HMAC alone: what opens them is not in a backup.
"""


class BackupError(Exception):
    """It cannot be written or read; `remedy` says what to do. Nothing was left half done."""

    def __init__(self, message: str, remedy: str = "", *, code: str = "backup_failed") -> None:
        super().__init__(message)
        self.remedy, self.code = remedy, code
