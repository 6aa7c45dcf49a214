"""Rules in YAML: what is done when something happens.

`rule` is the rule itself and `reader` finds rules in files; `action` and its kinds say what
a firing asks for; `schema`, `lint` and `rehearsal` tell an author what a rule means before
it runs.
"""
