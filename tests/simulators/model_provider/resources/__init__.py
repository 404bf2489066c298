"""What the provider keeps for its callers, a module a resource of the API.

Each has `PATHS`: what its endpoints are, below `/v1`, by path and method. `tests.simulators.model_provider.app` serves them.
"""
