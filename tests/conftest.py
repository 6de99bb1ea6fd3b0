"""Fixtures that every part of the suite shares, kept with the part that owns them."""

from hypothesis import settings

pytest_plugins = ("tests.fixtures_sql", "tests.fixtures_valkey", "tests.fixtures_gateway")

# How long an example takes says nothing on a busy machine.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")
