"""What runs inside the guest, with Debian's own Python and nothing else: USB devices that the kernel takes for real."""
