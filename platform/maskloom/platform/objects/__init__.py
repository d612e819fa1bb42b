"""The object store: every image, mask and checkpoint as a blob named by sha256; and what ingest reads."""
