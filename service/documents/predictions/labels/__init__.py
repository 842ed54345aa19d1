"""Labels that arrive late, are revised, or come first: history and latest value."""
