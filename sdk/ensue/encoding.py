"""Python values as JSON, as strictly as the service reads it.

Beyond what `json` knows, pydantic encodes models, dataclasses, dates, decimals, enums,
paths, sets and UUIDs. It is loaded only when a value needs it.
"""

from __future__ import annotations

import json
from typing import Any


def encode(value: Any) -> str:
    """Compact JSON.

    Raises ValueError with the reason where the value has none: NaN and infinities, cycles,
    and objects that nothing knows how to write.
    """
    try:
        return json.dumps(
            value, default=_by_pydantic, allow_nan=False, ensure_ascii=False, separators=(",", ":")
        )
    except RecursionError:
        raise ValueError("it is nested too deeply or contains itself") from None
    except TypeError as error:
        raise ValueError(str(error)) from None
    except ValueError as error:
        # pydantic's serialisation error is a ValueError with a sentence of its own
        raise ValueError(str(error).partition("\n")[0]) from None


def to_json(value: Any) -> Any:
    """The same as plain lists, dicts, strings, numbers, booleans and None."""
    return json.loads(encode(value))


def _by_pydantic(value: Any) -> Any:
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value)
