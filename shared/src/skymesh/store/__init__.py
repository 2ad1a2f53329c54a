"""The store: documents under their keys, written again and again to the same effect."""
