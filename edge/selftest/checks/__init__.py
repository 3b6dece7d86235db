"""The checks of the window itself, one module each."""
