"""Needs a package that is known by another name, and is not installed here."""

raise ModuleNotFoundError("No module named 'cv2'", name="cv2")
