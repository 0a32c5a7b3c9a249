"""What the ego perceives: camera rig, pseudo-thermal camera, and the image handed to the policy."""

from fusiondrive.home import ensure_home

ensure_home()  # before any module loads CARLA's library
