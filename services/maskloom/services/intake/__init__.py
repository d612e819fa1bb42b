"""How files come in from strangers: `multipart.py` brings them to the disk, `archives.py` looks into zip files, and `parcel.py`
puts what is left into the object store, for a job to take in.

Names that senders give are never names of files here. What is too much is refused as a whole, what is odd is set aside with a
reason, and what a picture holds is for `pipelines.steps.ingest` to judge.
"""
