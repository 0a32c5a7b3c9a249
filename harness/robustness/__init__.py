"""Commands that try to break the embedded server: fuzz, soak, determinism; not part of a run.

They start a server of their own and speak to it as clients do: with the real `carla` client in
processes of its own, and with plain sockets for what that client would never send.
"""
