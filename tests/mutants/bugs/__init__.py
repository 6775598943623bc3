"""Wrong drivers made after bugs that Linux shipped: each is named after its entry of the catalogue of bugs.

What a bug needs beyond the small drivers of this folder is said in its docstring. Entries that only the VM
could commit are regression tests of the core, in ``tests/regressions``.
"""
