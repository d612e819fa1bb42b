"""Reviews: pseudo labels out to the tool in which readers work, corrections back.

`tool.py` says what a tool must do, `folder.py` and `label_studio/` are the two there are, and `sync.py` carries masks and
answers between them and the catalog.
"""
