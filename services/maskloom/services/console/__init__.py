"""The pages that people look at, made on the server (Jinja2) and kept fresh by htmx. `pages.py` has them all; what they change
goes through the API, as everybody's changes do."""
