"""Names of runs that were made without one: ``adjective-noun-number``, as MLflow invents them."""

import secrets

ADJECTIVES = (
    "able", "amber", "brave", "bright", "calm", "clever", "crisp", "eager", "early", "fair",
    "fancy", "fast", "fine", "fresh", "gentle", "glad", "golden", "grand", "happy", "honest",
    "keen", "kind", "light", "lively", "lucky", "merry", "mild", "modest", "neat", "nimble",
    "noble", "patient", "polite", "proud", "quick", "quiet", "rapid", "rare", "ready", "rich",
    "silent", "simple", "smart", "smooth", "steady", "sunny", "swift", "tidy", "warm", "wise",
)  # fmt: skip
NOUNS = (
    "ant", "badger", "bear", "beaver", "bee", "bird", "bison", "cat", "colt", "crab",
    "crane", "crow", "deer", "dog", "dolphin", "dove", "duck", "eagle", "elk", "finch",
    "fish", "fox", "frog", "goat", "goose", "gull", "hare", "hawk", "hen", "heron",
    "horse", "koala", "lark", "lion", "lynx", "mole", "moose", "moth", "mouse", "newt",
    "otter", "owl", "panda", "robin", "seal", "shrew", "snail", "swan", "toad", "wolf",
)  # fmt: skip


def invented_name() -> str:
    """Return a name such as ``calm-otter-417``."""
    number = secrets.randbelow(1000)
    return f"{secrets.choice(ADJECTIVES)}-{secrets.choice(NOUNS)}-{number}"
