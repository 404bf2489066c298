"""The images: whether their registries have them, and whether the installation may pull."""

import asyncio
from collections.abc import Iterable

from deployer.preflight.checks import Context, Finding, error, or_passed, warning
from deployer.registries import Image, Presence, find_image


async def look_at_images(context: Context) -> Iterable[Finding]:
    images = context.tenant.images
    wanted = {name: Image.parse(getattr(images, name)) for name in ("proxy", "admin", "job")}
    findings: list[Finding] = []
    private, closed = images.registry_id is not None, False
    if images.registry_id is not None:
        registry = await context.azure.resource(images.registry_id)
        if registry is None:
            return [error(f"{images.registry_id} is not there", "Correct images.registry_id.", "images.registry_id")]
        properties = registry.get("properties") or {}
        closed = properties.get("publicNetworkAccess") == "Disabled"
        server = str(properties.get("loginServer", "")).lower()
        findings += [
            error(
                f"{name} is in {image.host}, images.registry_id is {server}",
                "Name images of that registry.",
                f"images.{name}",
            )
            for name, image in wanted.items()
            if server and image.host != server
        ]
    presences = await asyncio.gather(*(find_image(context.azure.session, image) for image in wanted.values()))
    for (name, image), (presence, why) in zip(wanted.items(), presences, strict=True):
        where, shown = f"images.{name}", f"{image.host}/{image.repository}"
        match presence:
            case Presence.ABSENT:
                words = f"{shown} has no {image.digest[:19]}…"
                findings.append(error(words, "Push it, or correct the digest: a release prints these lines.", where))
            case Presence.REFUSED if private:
                remedy = "The installation's identities get AcrPull; see that the image is there."
                findings.append(warning(f"{shown} does not let this identity in ({why})", remedy, where))
            case Presence.REFUSED:
                remedy = "Make it public, or name its Azure registry in images.registry_id."
                findings.append(error(f"{shown} does not let everybody in ({why})", remedy, where))
            case Presence.UNREACHABLE:
                remedy = (
                    "It is closed to the internet: see that the apps' subnet reaches it."
                    if closed
                    else ("See that the apps' subnet reaches it.")
                )
                findings.append(warning(f"{shown} is not reached from here: {why}", remedy, where))
    return or_passed(findings, f"{len(wanted)} found by digest", figures={"images": len(wanted)})
