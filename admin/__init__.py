"""The admin plane: for now a service with a health page. It never answers a model call.

Everything an administrator can do today is a command of `aduana`.
"""
