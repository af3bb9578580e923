"""Isolated machines, made of Linux namespaces; `engine` is the way in."""
