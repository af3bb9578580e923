"""The AgentBay service on this machine: real sandboxes behind the same protocol, on loopback."""
