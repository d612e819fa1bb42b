"""The pages that people look at, made on the server (Jinja2) and kept fresh by htmx.

`console.py` has them all. What they change goes through the API, as everybody's changes do.
"""
