"""Rules of retention."""
