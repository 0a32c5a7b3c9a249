"""Bytes and sockets: the wire format, the RPC port, the streaming port."""
