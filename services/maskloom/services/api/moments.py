"""Moments that come from outside: their time zone is said, and they can be kept."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime


def _in_utc(moment: datetime) -> datetime:
    """PostgreSQL takes no offset of 16 hours or more, which others do."""
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("it lies outside the years 1 to 9999 in UTC") from error


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
