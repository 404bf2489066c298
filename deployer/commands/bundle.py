"""`aduana bundle`: what is needed where there is no internet."""

from pathlib import Path
from typing import Annotated, Any

import typer

from deployer.errors import CHECK_SAID_NO, USAGE, CommandError
from deployer.output import JsonFlag, note, print_json, say

_CREATE = """Gather everything for a network without internet into a directory: the installer and what it needs, Terraform, its
provider, and images as archives.

It is for machines like this one: same system, processor and Python. Images are given as OCI archives, as `docker save` or
`skopeo copy` write them, and go into your own registry on the other side. There, `python3 install.py --into /opt/aduana` checks
every file and installs, with nothing but Python.

Examples:

    aduana bundle create aduana-bundle --wheel aduana-0.1.0-py3-none-any.whl --images images.yaml

    aduana bundle create aduana-bundle --image proxy=proxy.tar --image admin=admin.tar --image job=job.tar
"""

_VERIFY = """Check every file of a bundle against its manifest. Exit code 3: one is missing, changed, or not in it.

Example:

    aduana bundle verify aduana-bundle
"""

_IMAGES = ("proxy", "admin", "job")


def register(app: typer.Typer) -> None:
    """Add `bundle` and its commands."""
    bundle = typer.Typer(name="bundle", help="Install where there is no internet.", no_args_is_help=True)
    bundle.command("create", help=_CREATE)(_create)
    bundle.command("verify", help=_VERIFY)(_verify)
    app.add_typer(bundle)


def _create(
    directory: Annotated[Path, typer.Argument(metavar="DIRECTORY", help="Where to; must not be there.")],
    wheel: Annotated[Path | None, typer.Option("--wheel", metavar="FILE", help="The installer's own wheel.")] = None,
    images: Annotated[Path | None, typer.Option("--images", metavar="FILE", help="The release's images.yaml.")] = None,
    image: Annotated[
        list[str] | None, typer.Option("--image", metavar="NAME=FILE", help="An OCI archive of proxy, admin or job.")
    ] = None,
    terraform: Annotated[str | None, typer.Option("--terraform", metavar="PROGRAM", help="Which Terraform.")] = None,
    no_terraform: bool = typer.Option(False, "--no-terraform", help="Leave Terraform and its provider out."),
    as_json: bool = JsonFlag,
) -> None:
    from deployer.bundle import BundleError
    from deployer.bundle.making import make
    from deployer.release_images import read_release

    if wheel is not None and not wheel.is_file():
        raise CommandError(f"there is no file {wheel}", code="no_file", exit_code=USAGE)
    try:
        manifest = make(
            directory,
            wheel=wheel,
            terraform=terraform,
            images=_archives(image or []),
            references=read_release(images) if images is not None else None,
            with_terraform=not no_terraform,
            say=(lambda line: None) if as_json else note,
        )
    except BundleError as error:
        raise CommandError("the bundle was not made", str(error), error.remedy, error.code) from error
    _tell(directory, manifest, as_json)


def _verify(
    directory: Annotated[Path, typer.Argument(metavar="DIRECTORY", help="A bundle.")], as_json: bool = JsonFlag
) -> None:
    from deployer.bundle import install

    try:
        manifest = install.verify(directory)
    except (install.Broken, OSError) as error:
        raise CommandError(
            "the bundle is not whole", str(error), "Copy it again from where it was made.", "not_whole",
            exit_code=CHECK_SAID_NO,
        ) from None  # fmt: skip
    _tell(directory, manifest, as_json)


def _archives(given: list[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for each in given:
        name, equals, file = each.partition("=")
        if not equals or name not in _IMAGES or name in found:
            raise CommandError(
                f"--image {each[:80]!r} is not one of {', '.join(_IMAGES)}, =, and a file",
                code="usage",
                exit_code=USAGE,
            )
        path = Path(file)
        if not path.is_file():
            raise CommandError(f"there is no file {path}", code="no_file", exit_code=USAGE)
        found[name] = path
    return found


def _tell(directory: Path, manifest: dict[str, Any], as_json: bool) -> None:
    size = sum(each["bytes"] for each in manifest["files"])
    if as_json:
        document = {key: manifest[key] for key in ("version", "machine")}
        print_json({"directory": str(directory), **document, "files": len(manifest["files"]), "bytes": size})
    else:
        say(
            f"{directory}: Aduana {manifest['version']} for {manifest['machine']}, {len(manifest['files'])} files, "
            f"{size / 1e6:,.1f} MB, all as they were put in"
        )
