"""What a mutant is: one change to one file, with the tests that must notice."""

from __future__ import annotations

from dataclasses import dataclass

# One part in ten of what the push tier tries.
SIMULATION = "tests/fault/test_simulation.py::test_whatever_happens_each_mini_batch_comes_to_one_end_and_the_verdict_is_right[0]"
STORE = "tests/fault/test_stateful_store.py::test_the_store_is_a_dictionary_with_rules_whatever_is_called[0]"
JOB = "tests/fault/test_stateful_job.py::test_every_good_file_has_its_row_once_whatever_happened_before[0]"
OUTPUT = "tests/engine/test_output.py"
DECISIONS = "tests/engine/test_decisions.py"


@dataclass(frozen=True)
class Mutant:
    """One change to one file.

    Attributes
    ----------
    file
        Below ``batchmagic/``.
    old, new
        What is replaced; `old` must be there exactly once.
    tests
        Files, or single tests, of which one must fail.
    why
        What would happen to a person's job.
    nightly
        Whether it is tried by night only.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    why: str
    nightly: bool = False
