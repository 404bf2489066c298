"""The data plane: OpenAI's API for every application, forwarded to the upstreams that the tenant's routes name.

A call goes `authenticate → route → admit → forward → settle`, each step a module of its own that is handed a typed value
and hands one on. Nothing on that way waits for Postgres, parses more of a body than is metered, or imports `admin`.
"""
