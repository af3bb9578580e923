"""The WebSocket of a session: who may connect, the frames, and the targets that messages are for."""
