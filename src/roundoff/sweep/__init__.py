"""A sweep over the whole pipeline: each setting is a DVC experiment, made in a clone of its own."""
