"""Rules people already have: read from another system's form, written in ours.

`prefect` reads automations of Prefect, `eventbridge` rules of Amazon EventBridge: pure
functions from a document to drafts. A draft is a rule's definition with notes: what has no
equal here, what works a little differently, and what to do about it. Nothing is dropped
without a note, and a rule of which something was left out is put in shadow until a person
has looked at it.
"""

from automations.importing.document import MAX_BYTES, read_document
from automations.importing.draft import Draft, Imported
from automations.importing.eventbridge import from_eventbridge
from automations.importing.notes import Note
from automations.importing.prefect import from_prefect
from automations.importing.written import written

__all__ = [
    "MAX_BYTES",
    "Draft",
    "Imported",
    "Note",
    "from_eventbridge",
    "from_prefect",
    "read_document",
    "written",
]
