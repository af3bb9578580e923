"""Programs that run inside a sandbox; they know nothing of this project. JSON in, JSON out."""
