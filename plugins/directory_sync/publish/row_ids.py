"""Makes the ids of rows that do not pass dlt's normaliser."""

import math
import secrets
from base64 import b64encode
from collections.abc import Iterator
from itertools import islice, product
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_BITS = 6  # of a character of Base64
# Collations sort these alike, which is not so of Base64. (Some sort a pair such as "ch" elsewhere: a few
# ids then miss their place, which costs as little.)
_DIGITS = "0123456789abcdefghijklmnopqrstuv"
_LAST = ["".join(digits) for digits in product(_DIGITS, repeat=2)]
_DIGITS_BEFORE = 4
"""How many digits stand before the last two: a million blocks of ids have the same beginning."""
_DRAWN_CHARACTERS = 8
"""How many are drawn at least, 48 bits; a setting of dlt's can make its ids shorter."""


class RowIds:
    """Unique ids that ascend: a random beginning, and a number. They are as long as dlt's, or 14 characters.

    dlt draws each id. PostgreSQL, where they are unique, then writes each into another page of its index:
    a third of the time of the merge of a large load.
    """

    def __init__(self) -> None:
        """Draws nothing yet: processes that are forked later share no beginning."""
        self._begins = _begins()

    def new(self, count: int) -> "pa.Array[Any]":
        """Returns ids, each greater than all before it, until a million blocks have been taken.

        Args:
            count: how many.
        """
        import pyarrow as pa

        begins = list(islice(self._begins, math.ceil(count / len(_LAST))))
        # One `join` for a thousand ids; each of them alone took ten times as long.
        text = "".join(begin + begin.join(_LAST) for begin in begins)
        length = len(begins[0] + _LAST[0]) if begins else 0
        ids = pa.Array.from_buffers(pa.binary(length), count, [None, pa.py_buffer(text.encode())])
        return ids.cast(pa.binary()).cast(pa.string())


def _begins() -> Iterator[str]:
    """Yields what ids begin with, all but their last two digits."""
    from dlt.common.normalizers.utils import DLT_ID_LENGTH_BYTES

    of_dlt = math.ceil(DLT_ID_LENGTH_BYTES * 8 / _BITS)
    length = max(of_dlt - _DIGITS_BEFORE - len(_LAST[0]), _DRAWN_CHARACTERS)
    while True:
        drawn = b64encode(secrets.token_bytes(length)).decode()[:length]
        for digits in product(_DIGITS, repeat=_DIGITS_BEFORE):
            yield drawn + "".join(digits)
