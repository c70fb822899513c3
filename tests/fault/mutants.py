"""The mutants: code that is broken on purpose in one place, each with the tests that must notice.

They are what keeps the tests honest. A mutant that lives means that a test is too weak; one whose text is not found any
more has to follow the code.
"""

from __future__ import annotations

from dataclasses import replace

from mutants_of_scoring import ASSEMBLY, ENDS, RETRIES, SLOT, SPOOL
from mutants_of_workspace import CLAIM_MUTANTS, LEDGER, OTHERS

# Each of them has a twin in the push tier that is much like it.
NIGHTLY = {
    "a change of state is not noted",
    "a former owner goes on",
    "a retry is forgotten",
    "an old claim begins a run",
    "failures are redone by every host",
    "force does not fence",
    "leases grow without measure",
    "leases of a lost instance count for its successor",
    "one retry too many",
    "the counters are written first",
    "three leases per slot",
}

MUTANTS = tuple(
    replace(mutant, nightly=mutant.nightly or mutant.name in NIGHTLY)
    for mutant in (*SPOOL, *ENDS, SLOT, *LEDGER, *ASSEMBLY, *CLAIM_MUTANTS, *RETRIES, *OTHERS)
)
