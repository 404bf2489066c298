"""Realtime sessions over WebSocket: text and sound in, text and sound out, usage with every response.

Two dialects: that of the general availability, and the older one that Azure's dated surface (and `OpenAI-Beta: realtime=v1`)
speaks. No voice is detected: a buffer ends where the client commits it.
"""
