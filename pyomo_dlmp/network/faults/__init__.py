"""What can be wrong with a feeder: fields, ranges, relations between elements."""
