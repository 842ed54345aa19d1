"""PostgreSQL, MongoDB and the embedded engines: how each is opened, guarded and handed out."""
