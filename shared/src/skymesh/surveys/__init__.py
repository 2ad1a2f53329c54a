"""The surveys whose alerts the mesh reads."""
