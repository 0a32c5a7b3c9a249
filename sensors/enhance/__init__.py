"""Enhancing the visible image without infrared: by hand, or by a student that was trained so.

These are controls: what one of them gains over RGB needs no infrared. Each works frame by frame
and keeps no picture, so that an image depends on nothing but its frame.
"""
