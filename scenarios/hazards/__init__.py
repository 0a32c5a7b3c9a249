"""Hazards: scripted road users that force the ego to brake, named as CARLA's Leaderboard 2 does.

`kinds` names them, `placement` and `route_file` say where they wait along a route, the scripts in
`pedestrians`, `cars` and `cyclist` play them by the client's calls alone, and `course` owns the
actors of one episode. Nothing here uses the Traffic Manager or a random number beyond the seed's.
"""
