"""What the tuning guide's stack stores: SQLAlchemy's model of a row with a random UUID as key."""

from datetime import date
from uuid import UUID, uuid4

from sqlalchemy import SmallInteger
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The models."""


class Emission(Base):
    """A row of the table that bench/guide_table.py makes."""

    __tablename__ = "guide_rows"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    period: Mapped[date] = mapped_column(primary_key=True)
    tenant_id: Mapped[int]
    upload_id: Mapped[int]
    row: Mapped[int]
    quantity: Mapped[float]
    kg_co2e: Mapped[float]
    supplier: Mapped[int]
    factor: Mapped[int]
    sigma: Mapped[float]
    category: Mapped[int] = mapped_column(SmallInteger)
    method: Mapped[int] = mapped_column(SmallInteger)
    unit: Mapped[int] = mapped_column(SmallInteger)
    quality: Mapped[int] = mapped_column(SmallInteger)
    notices: Mapped[int] = mapped_column(SmallInteger)
