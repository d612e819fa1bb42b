"""The bridge's HTTP server: what Label Studio and its readers' browsers ask of maskloom.

`app.py` puts it together, `serving.py` runs it. It serves images (`images.py`), is told that something changed
(`webhook.py`), and predicts slices when they are opened (`backend.py`).
"""
