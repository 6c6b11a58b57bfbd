"""Does anything break it? Hostile inputs, made by code and counted."""
