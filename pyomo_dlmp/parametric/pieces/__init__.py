"""Parts whose critical regions are too many to be listed: pieces of many regions, with bounds."""
