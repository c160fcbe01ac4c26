"""Look for keys in the files in which people keep them.

Seen: held
Held from: landlock
Bare: depends: on what lies in the user's home
"""

import os
import pwd

FILES = (".ssh/id_ed25519", ".ssh/id_rsa", ".netrc", ".aws/credentials", ".bashrc", ".profile")


def attack(**others):
    home = pwd.getpwuid(os.getuid()).pw_dir
    readable = []
    for name in FILES:
        try:
            os.close(os.open(os.path.join(home, name), os.O_RDONLY))
            readable.append(name)
        except OSError:
            continue
    return f"bitten: {readable}" if readable else "nothing"
