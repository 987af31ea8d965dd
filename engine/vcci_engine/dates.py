"""Days since 1970-01-01, and what quarter and year they are in, by table: faster than datetime64 row by row."""

from datetime import date

import numpy as np
import numpy.typing as npt

from vcci_engine.activities import DayArray

EPOCH = date(1970, 1, 1)
FIRST_YEAR, LAST_YEAR = 1990, 2100
FIRST_DAY = (date(FIRST_YEAR, 1, 1) - EPOCH).days
LAST_DAY = (date(LAST_YEAR, 12, 31) - EPOCH).days

_MONTHS = np.arange(f"{FIRST_YEAR}-01", f"{LAST_YEAR + 1}-01", dtype="datetime64[M]")
_MONTH_START: DayArray = _MONTHS.astype("datetime64[D]").astype(np.int32)
_DAYS_OF_MONTH = np.append(_MONTH_START[1:], np.int32(LAST_DAY + 1)) - _MONTH_START

# By day since FIRST_DAY.
YEAR: npt.NDArray[np.int32] = np.repeat(FIRST_YEAR + np.arange(len(_MONTHS)) // 12, _DAYS_OF_MONTH).astype(np.int32)
MONTH: npt.NDArray[np.uint16] = np.repeat(np.arange(len(_MONTHS)), _DAYS_OF_MONTH).astype(np.uint16)
QUARTER: npt.NDArray[np.uint16] = MONTH // np.uint16(3)  # months and quarters count from the first of FIRST_YEAR
QUARTER_START: DayArray = _MONTH_START[::3]  # days since 1970-01-01, by quarter
DAY_OF_QUARTER: npt.NDArray[np.uint8] = (FIRST_DAY + np.arange(len(QUARTER)) - QUARTER_START[QUARTER]).astype(np.uint8)


def day_index(period: DayArray) -> npt.NDArray[np.intp]:
    """Return the index of each day in the tables above; days outside count as the nearest inside."""
    days = period.astype(np.intp)
    days -= FIRST_DAY
    return days.clip(0, LAST_DAY - FIRST_DAY, out=days)
