"""Numbers that decide what counts as zero."""
