"""The actors of an episode: state, attachment, skeletons, vehicle physics."""
