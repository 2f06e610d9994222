"""The quick ways of a ``sync`` with nothing to do and of a ``run`` that needs no judgement.

They end before anything of the long way is imported.
"""
