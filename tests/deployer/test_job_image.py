"""What the image `job` runs: with the packages of its extra alone, and none of what the installer needs outside."""

import subprocess
import sys

from release.locks import ROOT

NOT_IN_IT = ("dns", "jinja2", "python_terraform", "fastapi", "uvicorn", "websockets")

COMMANDS = """
import sys
sys.modules.update(dict.fromkeys({missing}))
from deployer import cli
for arguments in {lines}:
    code = cli.run(arguments)
    assert code in (0, 1, 2), (arguments, code)
import core.trust, deployer.backup.archive, deployer.backup.blobs, deployer.backup.exports, deployer.backup.restore
import deployer.bootstrap.steps, deployer.bootstrap.vault, deployer.verify.inside, deployer.verify.report
"""


def test_the_jobs_commands_need_nothing_that_its_image_lacks():
    lines = [
        ["bootstrap", "--spec", "env:NOWHERE"],
        ["verify", "--here", "env:NOWHERE"],
        ["export", "--help"],
        ["backup", "--help"],
        ["migrate", "--help"],
        ["seed", "--help"],
    ]
    script = COMMANDS.format(missing=NOT_IN_IT, lines=lines)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, env={"PATH": ""})
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("the spec cannot be read") == 2, done.stderr
