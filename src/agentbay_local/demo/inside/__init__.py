"""Programs that the demo sends into a sandbox. They are never imported; their text is what travels."""
