"""Slices and masks as pixels: reading what people bring, writing what maskloom keeps."""
