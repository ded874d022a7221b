"""Configuration as code: a tenant's objects as a YAML file, what a file would change, and files of other products.

Knows YAML, the rules of core and no database. A file is read in ``reading`` and ``document``, held against what is
stored in ``planning``, told in ``telling``; ``kuma`` and ``gatus`` turn files of theirs into ours.
"""
