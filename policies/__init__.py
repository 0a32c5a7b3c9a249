"""Who drives: the privileged expert, CILRS, and their training commands."""
