"""A network becomes an OpenDSS script with the same AC solution."""
