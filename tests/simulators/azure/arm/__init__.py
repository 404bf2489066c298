"""Azure Resource Manager for one subscription: what an installer asks of it, in the shapes of its REST reference, over TLS.

A test takes `azure_tenant` (`tests/simulators/azure/tenant.py`): its `arm` answers, and what it answers from are plain facts
in `arm.subscription`, which a test changes: registrations, quotas, models, names that are taken, policies, locks, permissions,
resources. `arm.faults` makes requests fail, `arm.journal` tells what was asked.

`service` takes requests and knows tokens, versions, paging, faults and operations that go on after the answer;
`subscription` holds the facts, `catalogue` those of an ordinary one; `resources` keeps resources; `answers` and `checks`
hold what else there is to ask. `mirror` makes one cloud of this one and the simulated azurerm's.
"""

from tests.simulators.azure.arm.faults import Fault
from tests.simulators.azure.arm.service import ArmService
from tests.simulators.azure.arm.subscription import Subscription

__all__ = ["ArmService", "Fault", "Subscription"]
