"""The mutants: code that is broken on purpose in one place, each with the tests that must notice.

They are what keeps the tests honest. A mutant that lives means that a test is too weak; one whose text is not found any
more has to follow the code.
"""

from __future__ import annotations

from mutants_of_scoring import ASSEMBLY, RETRIES, SLOT, SPOOL
from mutants_of_workspace import CLAIM_MUTANTS, LEDGER, OTHERS

MUTANTS = (*SPOOL, SLOT, *LEDGER, *ASSEMBLY, *CLAIM_MUTANTS, *RETRIES, *OTHERS)
