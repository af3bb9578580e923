"""Images of the user's own: what they are, where they are kept, how they are built and taken from sessions."""
