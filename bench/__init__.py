"""The benchmark harness: a loader, a cheap upstream, the gateway and its baselines, measured in the same run.

It judges the gateway from outside, over sockets, and prints why a figure does not count where it does not; it never
imports the data plane into its own process.
"""
