"""The tenants of a directory: any number of tenant files, each found by its name or its path.

`open_tenant` is what a command calls with what it was given. Two files with one name or one state are refused wherever
one of them is used: applying one would change what the other made.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.seed.document import Fields, Scalar, read_document
from deployer.errors import USAGE, CommandError
from deployer.tenant import Tenant
from deployer.tenant_argument import DIRECTORY
from deployer.tenant_file import TenantError, TenantFile, load_tenant

_MANY = 1000


@dataclass(frozen=True, slots=True)
class Listed:
    """A file of the directory. `tenant` is None where something is wrong with it, and `mistakes` says what, a line each.

    `name` and `region` are what the file says, right or wrong; None where it does not.
    """

    path: Path
    name: str | None
    region: str | None
    tenant: Tenant | None
    mistakes: tuple[Mapping[str, object], ...] = ()


def list_tenants(directory: Path) -> tuple[Listed, ...]:
    """Every tenant file of the directory, by name. Raises `CommandError` where there is no directory."""
    if not directory.is_dir():
        raise CommandError(
            f"there is no directory {directory}",
            "it is where tenant files are looked for",
            "Write a tenant file with `aduana init`, or name the directory with --tenants-dir.",
            "no_tenants",
        )
    paths = sorted(each for suffix in ("yaml", "yml") for each in directory.glob(f"*.{suffix}") if _is_tenant(each))
    if len(paths) > _MANY:
        raise CommandError(f"{directory} holds {len(paths)} tenant files", f"at most {_MANY} are read", "", "too_many")
    return tuple(sorted(_apart([_read(path) for path in paths]), key=lambda each: (each.name or "", each.path)))


def open_tenant(text: str | None, directory: Path = DIRECTORY) -> TenantFile:
    """The tenant that a command was given by name or file; None: the only one that there is.

    Raises `CommandError`: there is none such, there are several, or something is wrong with its file.
    """
    if text is not None and _is_path(text):
        path = Path(text)
        beside = list_tenants(path.parent) if path.is_file() and _is_tenant(path) else ()
        return _whole(next((each for each in beside if each.path.name == path.name), None) or _read(path, must=True))
    listed = list_tenants(directory)
    if text is None:
        return _whole(_only(listed, directory))
    found = [each for each in listed if each.name == text]
    if not found:
        there = ", ".join(each.name for each in listed if each.name)
        raise CommandError(
            f"there is no tenant {text!r} in {directory}",
            f"there are {there}" if there else "there is none",
            "" if there else "Write one with `aduana init`.",
            "no_such_tenant",
        )
    return _whole(found[0])


def mistakes(path: Path, error: TenantError) -> CommandError:
    """What is wrong with a tenant file as a command tells it."""
    return _wrong(path, _details(error))


def state_of(tenant: Tenant) -> tuple[str, ...]:
    """Where a tenant's state is: no two tenants may have one."""
    if tenant.state.backend == "local":
        return ("local", tenant.state_key)
    names = tenant.names()
    return ("azurerm", names.state_storage_account, tenant.state.container, tenant.state_key)


def _is_path(text: str) -> bool:
    return "/" in text or "\\" in text or text.endswith((".yaml", ".yml"))


def _is_tenant(path: Path) -> bool:
    """Seed files lie beside them and are called so."""
    return not path.name.startswith(".") and not path.stem.endswith(".seed")


def _only(listed: Sequence[Listed], directory: Path) -> Listed:
    if len(listed) == 1:
        return listed[0]
    there = ", ".join(each.name or str(each.path) for each in listed)
    raise CommandError(
        "no tenant was named",
        f"{directory} has {len(listed)}: {there}" if listed else f"{directory} has none",
        "Name one." if listed else "Write one with `aduana init`.",
        "usage" if listed else "no_tenants",
        exit_code=USAGE,
    )


def _read(path: Path, *, must: bool = False) -> Listed:
    name, region = None, None
    try:
        root, _ = read_document(path)
        if isinstance(root, Fields):
            name, region = _text(root, "name"), _text(root, "region")
        tenant = load_tenant(path)
    except TenantError as error:
        return Listed(path, name, region, None, _details(error))
    except OSError as error:
        why = error.strerror or type(error).__name__
        if must:
            raise CommandError(
                f"{path} cannot be read", why, "Name a tenant or its file (`aduana tenants list`).", "no_file"
            ) from None
        return Listed(path, None, None, None, ({"file": str(path), "message": f"{path}: {why}"},))
    return Listed(path, tenant.name, tenant.region, tenant)


def _text(root: Fields, name: str) -> str | None:
    node = root.values.get(name)
    return node.value[:64] if isinstance(node, Scalar) and isinstance(node.value, str) else None


def _apart(listed: Sequence[Listed]) -> list[Listed]:
    """The same, with what two of them have in common and may not as a mistake of both."""
    names, states = defaultdict(list), defaultdict(list)
    for each in listed:
        names[each.name].append(each)
        if each.tenant is not None:
            states[state_of(each.tenant)].append(each)
    for name, those in names.items():
        if name is not None and len(those) > 1:
            listed = _refused(listed, those, f"the name {name}")
    for state, those in states.items():
        if len(those) > 1 and len({each.name for each in those}) > 1:
            listed = _refused(listed, those, f"the state {'/'.join(state[1:])}")
    return list(listed)


def _refused(listed: Sequence[Listed], those: Sequence[Listed], what: str) -> list[Listed]:
    refused = []
    for each in listed:
        if each.path in [one.path for one in those]:
            others = ", ".join(str(one.path) for one in those if one.path != each.path)
            message = f"{each.path}: {what} is that of {others}, too; each needs its own"
            detail: Mapping[str, object] = {"file": str(each.path), "message": message}
            each = replace(each, tenant=None, mistakes=(*each.mistakes, detail))
        refused.append(each)
    return refused


def _whole(listed: Listed) -> TenantFile:
    if listed.tenant is None:
        raise _wrong(listed.path, listed.mistakes)
    return TenantFile(listed.path, listed.tenant)


def _details(error: TenantError) -> tuple[Mapping[str, object], ...]:
    return tuple(
        {
            "file": each.file,
            "line": each.place.line,
            "column": each.place.column,
            "problem": each.message,
            "message": str(each),
        }
        for each in error.findings
    )


def _wrong(path: Path, details: Sequence[Mapping[str, object]]) -> CommandError:
    return CommandError(
        f"{path} has {len(details)} mistake{'' if len(details) == 1 else 's'}",
        remedy="docs/tenant-file.md names every setting and what it may be.",
        code="tenant_invalid",
        details=details,
    )
