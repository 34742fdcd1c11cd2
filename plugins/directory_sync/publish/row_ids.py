"""Makes the ids of rows that do not pass dlt's normaliser."""

import math
import secrets
from base64 import b64encode
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_BITS = 6  # of a character of Base64


def new_ids(count: int) -> "pa.Array[Any]":
    """Returns random ids of the length of dlt's `_dlt_id`, cut from one text; dlt encodes each by itself.

    Args:
        count: how many.
    """
    import pyarrow as pa
    from dlt.common.normalizers.utils import DLT_ID_LENGTH_BYTES

    length = math.ceil(DLT_ID_LENGTH_BYTES * 8 / _BITS)
    text = b64encode(secrets.token_bytes(math.ceil(count * length * _BITS / 8)))
    ids = pa.Array.from_buffers(pa.binary(length), count, [None, pa.py_buffer(text)])
    return ids.cast(pa.binary()).cast(pa.string())
