"""``hall-edge init``: write a window's configuration from five answers, from flags, or from a district's site file.

What is written was checked by the daemon's own loader before it replaced anything, and nothing is replaced unasked.
"""

from edge.tools.init.command import add_arguments, run

CODES = {
    "CFG-189": "systemd cannot hand over a file by that name",
    "CFG-190": "there is a configuration already, and it was not made from this site file or was changed since",
    "CFG-191": "a question without an answer",
    "CFG-192": "an answer or a flag that cannot be used",
    "CFG-193": "the configuration cannot be written",
    "CFG-194": "the site file has no such window, or does not know this PC",
    "CFG-195": "several windows of the site file are this PC's, or have one name",
    "CFG-196": "a secret stands in the site file",
    "CFG-197": "a placeholder that does not exist",
    "CFG-198": "what would be written is not what was meant",
    "CFG-199": "the private key cannot be sealed to the TPM",
}

__all__ = ["CODES", "add_arguments", "run"]
