"""The commands of `aduana`, a module a subject, each with `register(app)`.

A command parses, calls what does the work, and prints; it imports the heavy parts inside its function, so that
`aduana --help` is quick.
"""
