"""The RPC methods of CARLA 0.9.16, by what they are about."""
