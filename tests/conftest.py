"""Fixtures that every part of the suite shares, kept with the part that owns them."""

pytest_plugins = ("tests.fixtures_sql", "tests.fixtures_valkey", "tests.fixtures_gateway")
