"""What reading JSON of a caller or a provider may raise: nothing that they send is the gateway's own failure."""

import msgspec

# msgspec looks at the UTF-8 of the strings that it reads, and reports what is none by Python's own exception.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
