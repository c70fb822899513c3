"""The command line: ``batchmagic NOUN VERB …``."""
