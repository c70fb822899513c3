"""What can be said: nouns, verbs and options as data, and the parser made of them. Both faces share it."""
