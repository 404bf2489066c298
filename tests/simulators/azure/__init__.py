"""What a tenant's platform gives a process in Azure: its identity's tokens, and Key Vault. Servers in threads of the test,
asked over the network.
"""
