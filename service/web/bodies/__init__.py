"""Bodies of requests: decompressed, split into lines, parsed strictly."""
