"""Scoring scripts that every contender runs: the product as code of a deployment, the others as functions."""
