"""One module for each table, or two that are alike."""
