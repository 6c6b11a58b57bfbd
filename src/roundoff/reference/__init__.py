"""Pages of the documentation that are made of the code: the configuration's keys, and the commands."""
