"""The certificate that the domain is served with."""

import base64
from collections.abc import Iterable
from datetime import timedelta
from urllib.parse import urlsplit

from cryptography import x509

from deployer.azure import Refused
from deployer.preflight.checks import Context, Finding, error, or_passed, skipped, warning

_VERSION = {"api-version": "7.4"}
_SOON = timedelta(days=30)


async def look_at_certificate(context: Context) -> Iterable[Finding]:
    """Read as a certificate, which shows no private key; a secret that is none shows its name alone."""
    ingress = context.tenant.ingress
    if ingress.certificate is None:
        return [skipped("none is named")]
    where = "ingress.certificate.key_vault_secret_id"
    url = urlsplit(ingress.certificate.key_vault_secret_id)
    vault, (_, name) = str(url.hostname).split(".")[0], url.path.strip("/").split("/")[:2]
    service = context.azure.session.vault(vault)
    try:
        found = (await service.request("GET", f"/certificates/{name}", query=_VERSION)).body or {}
    except Refused as refused:
        if refused.not_found:
            words = f"the vault {vault} has no certificate {name}"
            return [error(words, "Import it there, or correct the id.", where)]
        if refused.forbidden:
            words = f"this identity may not read certificates of {vault}, or its network keeps us out"
            return [warning(words, "Check by hand that it is there, covers the domain, and has not expired.", where)]
        raise
    if not (found.get("attributes") or {}).get("enabled", True):
        return [error(f"the certificate {name} is disabled", "Enable it.", where)]
    try:
        certificate = x509.load_der_x509_certificate(base64.b64decode(str(found.get("cer", ""))))
    except ValueError:
        return [warning(f"the certificate {name} cannot be read", "Check it by hand.", where)]
    findings: list[Finding] = []
    ends = certificate.not_valid_after_utc
    days = (ends - context.now).days
    if ends <= context.now:
        findings.append(error(f"{name} expired on {ends:%Y-%m-%d}", "Renew it.", where, figures={"days": days}))
    elif ends - context.now < _SOON:
        findings.append(
            warning(f"{name} expires on {ends:%Y-%m-%d}, in {days} days", "Renew it.", where, figures={"days": days})
        )
    if ingress.certificate.key_vault_id is None and await context.azure.resource(_environment(context)) is None:
        words = f"the identity that reads it is made by apply, which stops there until {vault} lets it in"
        remedy = (
            "Name the vault in ingress.certificate.key_vault_id, or have its owner give Key Vault Secrets User then."
        )
        findings.append(warning(words, remedy, where))
    covered = _names(certificate)
    for domain in (each for each in (ingress.domain, ingress.admin_domain) if each is not None):
        if domain not in covered and f"*.{domain.partition('.')[2]}" not in covered:
            words = f"{name} is for {', '.join(sorted(covered)) or 'no name'}, not for {domain}"
            findings.append(error(words, "Take a certificate that names it.", where))
    return or_passed(findings, f"{name} until {ends:%Y-%m-%d}", figures={"days": days})


def _environment(context: Context) -> str:
    return context.in_group(f"Microsoft.App/managedEnvironments/{context.names.environment}")


def _names(certificate: x509.Certificate) -> set[str]:
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {each.lower() for each in alternatives.get_values_for_type(x509.DNSName)}
