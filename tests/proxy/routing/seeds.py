"""Seed files of tenants whose routes have several targets, each a deployment of a simulator."""

import json
from collections.abc import Mapping
from typing import Any


def seed_of(upstreams: Mapping[str, str | dict[str, Any]], routes: list[dict[str, Any]], **policy: Any) -> str:
    """`upstreams`: name → address, or address and settings. One key; models without a price pass."""
    return json.dumps(
        {
            "upstreams": [
                {
                    "name": name,
                    "provider": "azure_openai",
                    "auth": {"none": True},
                    **(value if isinstance(value, dict) else {"endpoint": value}),
                }
                for name, value in upstreams.items()
            ],
            "routes": routes,
            "policies": [{"name": "standard", "unpriced_models": "allow", **policy}],
            "clients": [
                {
                    "name": "contoso",
                    "policy": "standard",
                    "teams": [
                        {
                            "name": "research",
                            "apps": [{"name": "chatbot", "keys": [{"name": "prod", "secret_ref": "env:KEY"}]}],
                        }
                    ],
                }
            ],
        }
    )


def a_target(upstream: str, deployment: str, **settings: Any) -> dict[str, Any]:
    return {"upstream": upstream, "deployment": deployment, **settings}


CHAT = {"model": "m", "messages": [{"role": "user", "content": "echo well"}]}
