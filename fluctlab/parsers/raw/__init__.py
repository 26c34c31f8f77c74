"""Bytes on their way: bounded windows, text of any encoding, the wire format of protocol buffers."""
