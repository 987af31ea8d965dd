"""Reports: one model, filled from the store, and a writer for each format."""
