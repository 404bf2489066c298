"""The local tenant: everything Aduana needs, on one machine, under one data directory.

It launches Postgres and Valkey from the packages that bring their binaries, and runs the services beside them. It never
deletes data and listens on 127.0.0.1 alone.
"""

from deployer.local.errors import LocalTenantError
from deployer.local.tenant import LocalTenant, local_tenant

__all__ = ["LocalTenant", "LocalTenantError", "local_tenant"]
