"""Make an empty file, folder, link and pipe where everybody may.

Seen: held
Held from: landlock
Bare: bites
Quick: yes
"""

import os


def attack(target_folder, **others):
    makers = (
        lambda path: os.close(os.open(path, os.O_CREAT | os.O_WRONLY)),
        os.mkfifo,
        lambda path: os.symlink("/", path),
    )
    made = []
    for number, make in enumerate(makers):
        try:
            make(os.path.join(target_folder, str(number)))
            made.append(number)
        except OSError:
            continue
    return f"bitten: {made}" if made else "refused"
