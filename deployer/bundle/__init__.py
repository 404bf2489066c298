"""Everything that installs an installation from a network without internet: the installer's wheels, Terraform and its provider,
images as archives; with a manifest of checksums, and a script that needs nothing but Python.

`making` gathers it where there is internet, `install` is that script: it stands alone, and is copied into each bundle.
"""

MANIFEST = "manifest.json"
SCRIPT = "install.py"


class BundleError(Exception):
    """A bundle cannot be made; nothing is left of it."""

    def __init__(self, message: str, remedy: str = "", *, code: str = "bundle_failed") -> None:
        super().__init__(message)
        self.remedy, self.code = remedy, code
