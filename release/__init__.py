"""How a version is released: bills of materials, licences, and the digests that tenant files name. Run by people and by the
release workflow, never by what is shipped, which does not hold it.
"""
