"""Where all tables are gathered, whichever module describes them."""

__all__ = ["METADATA"]

from sqlalchemy import MetaData

# Named constraints, so that a later revision can drop one by name on either database.
METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
