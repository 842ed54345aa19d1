"""The parameter ``{name:text}`` of an address: any text, with slashes and line breaks too."""

from starlette.convertors import StringConvertor


class TextConvertor(StringConvertor):
    """Starlette's ``path`` without its exception of line breaks."""

    regex = r"[\s\S]+"
