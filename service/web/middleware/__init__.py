"""The layers around all routes, as pure ASGI; ``main.create_app`` puts them in order."""
