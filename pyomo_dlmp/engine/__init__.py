"""The OpenDSS engine: a foreign script, reduced to what is allowed, is run in a child process."""
