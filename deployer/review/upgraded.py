"""Images that `aduana upgrade` brought in: the state does not know them, and they are as the tenant file says."""

from collections.abc import Iterable
from dataclasses import replace

from deployer.engines import AttributeChange, Change, Drift
from deployer.tenant import Tenant

_IMAGE = "template[0].container[0].image"
_RUN_IMAGES = frozenset({"azurerm_container_app", "azurerm_container_app_job"})


def as_upgraded(drift: Drift, tenant: Tenant) -> Drift:
    """The same without the images that `aduana upgrade` brought in: those that the tenant file names are as they should be."""
    wanted = {tenant.images.proxy, tenant.images.admin, tenant.images.job}
    changed, ignored = [], list(drift.ignored)
    for change in drift.changed:
        upgraded, others = _parted(change, wanted)
        if upgraded:
            ignored.append(replace(change, attributes=upgraded))
        if others or not upgraded:
            changed.append(replace(change, attributes=others))
    return replace(drift, changed=tuple(changed), ignored=tuple(ignored))


def _parted(change: Change, wanted: Iterable[str]) -> tuple[tuple[AttributeChange, ...], tuple[AttributeChange, ...]]:
    if change.kind not in _RUN_IMAGES:
        return (), change.attributes
    ours = tuple(each for each in change.attributes if each.path == _IMAGE and each.after in wanted)
    return ours, tuple(each for each in change.attributes if each not in ours)
