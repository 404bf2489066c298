"""The seed file: a tenant's configuration as one file, read strictly, compared with the database, applied whole.

`document` reads YAML with the place of every value, `file` makes entities of it and finds what is wrong, `state` reads
what the database has, `plan` compares the two, `apply` writes the difference in one transaction with its audit events.
Nothing is applied while anything is wrong, and no secret value is ever in a plan, an error or an audit event.
"""
