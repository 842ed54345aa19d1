"""Guards of the building: what holds for every room."""
