"""Arrays and tables as the types that JSON knows; NaN becomes None."""

from typing import Any

import numpy as np
import pandas as pd


def plain(values: np.ndarray) -> Any:
    """An array as nested lists."""
    found = values.astype(object)
    found[np.isnan(values)] = None
    return found.tolist()


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A table as one dictionary for each row."""
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return [
        {key: v.item() if isinstance(v, np.generic) else v for key, v in row.items()}
        for row in rows
    ]
