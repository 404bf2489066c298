"""What the installer has done inside a tenant's network, by the Container Apps job that is there for it: started from outside
through Resource Manager, followed to its end, its result read from what it printed.

`results` is how a result is printed and read, `runner` starts and follows. What is done is `bootstrap`'s, `verify`'s and the
other packages' own.
"""
