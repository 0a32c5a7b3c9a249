"""What the ego perceives: camera rig, pseudo-thermal camera, and the image handed to the policy."""
