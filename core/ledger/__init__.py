"""The ledger's domain: the records that proxies write, and the SQL by which the writer turns them into rows.

It never reads Redis or a file and starts no process; `proxy.ledger` hands records on, `proxy.writer` brings them here.
"""
