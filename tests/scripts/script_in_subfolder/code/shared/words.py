def count(words):
    return sum(1 for _ in words)
