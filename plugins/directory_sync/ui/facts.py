"""The constants that Python and the page share, as a JavaScript module.

This module writes `static/facts.js`, and a test compares the two. After a change, run
`PYTHONPATH=plugins python -m directory_sync.ui.facts`.
"""

import json
from pathlib import Path

from directory_sync.config.kinds import KINDS, Proof
from directory_sync.config.mode import Mode
from directory_sync.config.names import PAGE_URL, TAGS, PageKey, Stage, XComKey
from directory_sync.config.older_python import StrEnum

FACTS = Path(__file__).parent / "static" / "facts.js"


def facts_js() -> str:
    """Returns the text of `static/facts.js`."""
    kind = {one.name: one.value for one in KINDS}
    facts = {
        "KIND": ("The kinds of change, as reports and tables name them.", kind),
        "PROOF": ("What shows that a snapshot is complete.", _values(Proof)),
        "MODE": ("The modes of a run.", _values(Mode)),
        "STAGE": ("The tasks of a resource, in their order.", _values(Stage)),
        "TAGS": ("The tags of the Dags of this package.", list(TAGS)),
        "XCOM": ("What tasks leave for the page.", _values(XComKey)),
        "PAGE_KEY": ("The query parameters of the page.", _values(PageKey)),
        "PAGE_URL": ("The address of the page, relative to Airflow's own.", PAGE_URL),
    }
    parts = ["// Constants that Python has too. Written by directory_sync.ui.facts: change them there.\n"]
    parts += [
        f"\n/** {text} */\nexport const {name} = {_script(value)};\n" for name, (text, value) in facts.items()
    ]
    parts.append("\nexport const KINDS = Object.values(KIND);\nexport const STAGES = Object.values(STAGE);\n")
    return "".join(parts)


def _script(value: object) -> str:
    if not isinstance(value, dict):
        return json.dumps(value)
    return "{\n" + "".join(f"  {name}: {json.dumps(one)},\n" for name, one in value.items()) + "}"


def _values(names: type[StrEnum]) -> dict[str, str]:
    return {one.name: one.value for one in names}


if __name__ == "__main__":
    FACTS.write_text(facts_js(), encoding="utf-8")
