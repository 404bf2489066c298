"""OpenAI and Azure OpenAI over the network, simulated: same surfaces, shapes, headers and faults, deterministic text,
true token counts.

It keeps its own bill, so that a ledger can be compared with what a provider would have charged. It never calls a model,
never reaches out to the network, and imports nothing of the product: it is what the product is measured against.
`tests/simulators/README.md` is its manual.
"""
