"""The HTTP/1.1 client of the hot path: pooled keep-alive connections on asyncio and httptools, one pool an upstream.

It knows nothing of models or keys: it takes a request's head and body and gives back an answer's. Every failure is an
`UpstreamError` that says whether the request can have been processed.
"""
