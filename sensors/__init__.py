"""What the ego perceives: camera rig, pseudo-thermal camera, and the image handed to the policy."""

from fusiondrive.client import prepare_client

prepare_client()  # before any module imports carla
