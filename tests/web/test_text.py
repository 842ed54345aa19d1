# ruff: noqa: RUF001 - the letters of many scripts are meant
"""Text in one form of Unicode, and names that can be seen."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from service.web.schemas import ExactText, Name, Text

name, text = TypeAdapter[str](Name), TypeAdapter[str](Text)
HIDDEN = (
    "\u200b\u2060\ufeff\u200e\u200f\u202a\u202e\u2066\u2069\u00ad\u061c\u034f\u115f\u1160\u3164"
    "\uffa0\u17b4\u17b5\u180b\u180d\u2028\u2029\x01\n\t\x7f\x85\U000e0000\U000e0001\U000e0061\U000e007f"
)


@pytest.mark.parametrize("blank", ["", " ", "\t\n", "\u00a0\u3000", "\u200b", "\u2800", "\u3164"])
def test_name_without_a_visible_character_is_refused(blank: str) -> None:
    with pytest.raises(ValidationError, match="send a name that a reader can see"):
        name.validate_python(blank)


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("form", ["{}Ada", "A{}da", "Ada{}"])
def test_name_with_a_hidden_character_is_refused(hidden: str, form: str) -> None:
    with pytest.raises(ValidationError, match=rf"U\+{ord(hidden):04X}.*remove it"):
        name.validate_python(form.format(hidden))


@pytest.mark.parametrize(
    "sent",
    [
        *("\u200dAda", "Ada\u200c", "A \u200dda", "1\u200d2", "a\u200d\u200db", "ad\u200dmin"),
        *(
            "ad\u200cmin",
            "x\u030c\u200dy",
            "я\u200dя",
            "ª\u200dª",
            "م\u200c",
            "م\u200c\u200cن",
            "👩\u200da",
        ),
        *(
            "admin\ufe0f",
            "a\U000e0100",
            "1\ufe0f",
            "x\u030c\ufe0f",
            "☎\ufe0f\ufe0f",
            "👩\U000e0067\U000e007f",
        ),
        *("🏴\U000e0067\U000e0062", "\U000e0067🏴"),
    ],
)
def test_name_with_a_joiner_that_joins_nothing_is_refused(sent: str) -> None:
    with pytest.raises(ValidationError, match="remove it"):
        name.validate_python(sent)


@pytest.mark.parametrize(
    "sent",
    [
        *(
            "👩\u200d💻",
            "👩🏽\u200d🚀",
            "🏳\ufe0f\u200d🌈",
            "می\u200cخواهم",
            "ക്\u200dഷ",
            "O'Brien",
            "1",
        ),
        *(
            "🏴\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f",
            "1\ufe0f\u20e3",
            "©\ufe0f",
            "ℹ\ufe0f",
        ),
        *(
            "葛\U000e0100城",
            "র\u200d\u09cdয",
            "শ্রী",
            "🙂\u200d↔\ufe0f",
            "x\u030c",
            "José María",
            "李小龍",
        ),
    ],
)
def test_name_as_people_write_it_is_kept(sent: str) -> None:
    assert name.validate_python(sent) == sent


@given(st.text(max_size=20).filter(lambda value: "\x00" not in value))
def test_text_in_any_form_becomes_one(value: str) -> None:
    forms = {text.validate_python(unicodedata.normalize(form, value)) for form in ("NFC", "NFD")}
    assert len(forms) == 1


def test_exact_text_is_not_changed() -> None:
    assert TypeAdapter[str](ExactText).validate_python("e\u0301") == "e\u0301"


def test_length_of_a_name_counts_composed_characters() -> None:
    assert name.validate_python("e\u0301" * 200) == "é" * 200
    with pytest.raises(ValidationError):
        name.validate_python("\u0958" * 101)  # NFC has it as two characters
