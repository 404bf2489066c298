"""`aduana fleet status|upgrade` over a directory of tenants, each with its installation in the simulated Azure."""

import yaml

from deployer.installation import Installation
from deployer.tenant_file import load_tenant
from tests.deployer.estate import KINDS, NEW, image
from tests.simulators.azure.arm.container_apps import Behaviour


def release(tmp_path):
    file = tmp_path / "images.yaml"
    file.write_text(yaml.safe_dump({"images": {kind: image(kind, NEW) for kind in KINDS}}))
    return str(file)


def states(document):
    return {each["name"]: each["state"] for each in document["installations"]}


def outcomes(document):
    return {each["name"]: each["outcome"] for each in document["installations"]}


def test_each_installation_is_shown_as_it_stands(estate, aduana):
    directory = estate.file.parent
    assert aduana("fleet", "status")[0] == 0
    other = estate.add(directory, "fabrikam")
    absent = yaml.safe_load(estate.file.read_text()) | {"name": "absent"}
    (directory / "absent.yaml").write_text(yaml.safe_dump(absent))
    (directory / "broken.yaml").write_text("name: broken\n")
    app = Installation(load_tenant(other)).app("proxy")
    for revision in estate.apps.revisions(app):
        revision["properties"]["healthState"] = "Unhealthy"
    code, seen = aduana("fleet", "status")
    assert code == 3
    assert states(seen) == {"absent": "absent", "broken": "invalid", "contoso-prod": "runs", "fabrikam": "troubled"}

    text = estate.file.read_text()
    estate.file.write_text(text.replace(image("admin"), image("admin", NEW)))
    code, seen = aduana("fleet", "status", "--only", "contoso-prod")
    assert (code, states(seen)) == (3, {"contoso-prod": "differs"})


def test_they_are_upgraded_one_after_the_other_and_a_failure_leaves_the_rest(estate, aduana, tmp_path):
    estate.add(estate.file.parent, "fabrikam")
    arguments = ("fleet", "upgrade", "--images", release(tmp_path), "--watch", "0", "--yes")
    code, planned = aduana(*arguments, "--plan")
    assert (code, set(outcomes(planned).values())) == (0, {"planned"})

    estate.apps.images[image("proxy", NEW)] = Behaviour(healthy=False)
    code, failed = aduana(*arguments)
    assert (code, outcomes(failed)) == (1, {"contoso-prod": "failed", "fabrikam": "left"})
    assert failed["installations"][0]["error"]["code"] == "does_not_start"
    code, failed = aduana(*arguments, "--keep-going")
    assert outcomes(failed) == {"contoso-prod": "failed", "fabrikam": "failed"}

    estate.apps.images.clear()
    code, done = aduana(*arguments, "--only", "fabrikam", "--only", "contoso-prod")
    assert (code, list(outcomes(done).items())) == (0, [("fabrikam", "upgraded"), ("contoso-prod", "upgraded")])
    assert outcomes(aduana(*arguments)[1]) == {"contoso-prod": "in_place", "fabrikam": "in_place"}


def test_a_name_that_is_not_there_is_wrong_usage(estate, aduana):
    code, failed = aduana("fleet", "status", "--only", "nobody")
    assert (code, failed["error"]["code"]) == (2, "no_such_tenant")
