"""Encodings at the edges: Avro containers of the surveys, MessagePack inside the mesh."""
