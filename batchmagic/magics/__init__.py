"""``%batch`` and ``%%batch``: words to verbs, and what came of them to a notebook or a terminal's IPython."""
