"""DNS as this machine sees it, or a server that is named."""

from ipaddress import ip_address

import dns.asyncresolver
import dns.exception
import dns.resolver


class DnsUnanswered(Exception):
    """No server answered: nothing is known of the name."""


class Resolver:
    """Answers are lists; an empty one means that the name, or that kind of record, does not exist."""

    def __init__(self, server: str | None = None) -> None:
        """`server`: an address, or `address:port`; None: those of the system. Raises `ValueError`."""
        if server is None:
            try:
                self._dns = dns.asyncresolver.Resolver()
            except dns.exception.DNSException:  # no configuration that can be read
                self._dns = dns.asyncresolver.Resolver(configure=False)
        else:
            host, _, port = server.rpartition(":") if server.count(":") == 1 else (server, "", "53")
            self._dns = dns.asyncresolver.Resolver(configure=False)
            self._dns.nameservers = [str(ip_address(host))]
            self._dns.port = int(port)
        self._dns.lifetime = 5.0  # seconds

    async def addresses(self, name: str) -> list[str]:
        return await self._ask(name, "A")

    async def aliases(self, name: str) -> list[str]:
        return [each.rstrip(".").lower() for each in await self._ask(name, "CNAME")]

    async def texts(self, name: str) -> list[str]:
        return [each.strip('"').replace('" "', "") for each in await self._ask(name, "TXT")]

    async def zone(self, name: str) -> str | None:
        """The zone that a name is in: the nearest one above with an SOA record of its own; None: there is none."""
        labels = name.rstrip(".").split(".")
        for start in range(len(labels) - 1):
            zone = ".".join(labels[start:])
            if await self._ask(zone, "SOA"):
                return zone
        return None

    async def _ask(self, name: str, kind: str) -> list[str]:
        try:
            answer = await self._dns.resolve(name, kind, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except dns.exception.DNSException as error:
            raise DnsUnanswered(f"{name} ({kind}): {type(error).__name__}") from None
        return [record.to_text() for record in answer]
