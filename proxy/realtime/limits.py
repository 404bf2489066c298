"""Bounds of a session's messages and waits."""

MAX_MESSAGE_BYTES = 16 * 1024 * 1024  # one event, in either direction: providers take 15 MiB of audio in one
PING_EVERY = 20.0  # seconds: Container Apps' ingress ends a silent connection after 240
PONG_WITHIN = 20.0
CLOSE_WITHIN = 1.0  # for the provider's half of a closing handshake: a session that is over is not waited for
