"""Built-in analysers and the tabulator of difference photometry."""
