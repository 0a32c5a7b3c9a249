"""What sensors measure, draw and send in one frame."""
