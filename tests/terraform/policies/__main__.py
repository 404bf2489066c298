"""`python tests/terraform/policies`: the stack by checkov and by our own rules, and those by what breaks each.

It runs in an environment of checkov's own, which `make lint` makes: what it needs and what the tests need exclude each other.
So nothing of ours is imported here.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
CHECKOV = Path(sys.executable).with_name("checkov")


def failed(directory: Path) -> list[dict[str, Any]]:
    """The checks that say no, for a directory of Terraform files."""
    command = [str(CHECKOV), "--directory", str(directory), "--framework", "terraform", "--output", "json", "--quiet"]
    command += ["--external-checks-dir", str(HERE), "--skip-download", "--soft-fail", "--compact"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode != 0:
        raise SystemExit(f"checkov ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    told = json.loads(done.stdout)
    if "results" not in told:
        raise SystemExit(f"checkov looked at nothing in {directory}")
    if told["summary"]["parsing_errors"]:
        raise SystemExit(f"checkov cannot read {told['summary']['parsing_errors']} files in {directory}")
    return list(told["results"]["failed_checks"])


def main() -> int:
    """0: the stack is clean and every rule of ours bites; 1: not."""
    ours = {line.split(": ")[1].strip() for file in HERE.glob("*.yaml") for line in file.open() if "  id: " in line}
    toothless = ours - {each["check_id"] for each in failed(HERE / "broken")}
    for rule in sorted(toothless):
        print(f"{rule} finds nothing in tests/terraform/policies/broken")
    found = failed(ROOT / "terraform")
    for each in found:
        place = f"terraform{each['file_path']}:{each['file_line_range'][0]}"
        print(f"{place}: {each['check_id']} {each['check_name']} ({each['resource']})")
    return 1 if found or toothless else 0


if __name__ == "__main__":
    sys.exit(main())
