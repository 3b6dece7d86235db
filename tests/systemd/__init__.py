"""What is installed for systemd, udev and polkit, under their own programs."""
