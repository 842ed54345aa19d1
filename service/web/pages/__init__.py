"""Pages for people: the welcome at ``/``, and the documentation of the API."""
