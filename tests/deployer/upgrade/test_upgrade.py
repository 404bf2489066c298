"""`aduana upgrade` against Container Apps behind the simulated ARM: what it does, takes back, and goes on with."""

import pytest
import yaml

from deployer.bootstrap.spec import read_spec
from deployer.tenant_file import load_tenant
from tests.deployer.estate import KINDS, NEW, OLD, image
from tests.simulators.azure.arm.container_apps import Behaviour

SERVICES = ("proxy", "writer", "admin", "job")
RELEASE = [part for kind in KINDS for part in (f"--{kind}", image(kind, NEW))]
ORDER = ["tables", "writer", "admin", "proxy", "job", "privileges", "file"]


def upgrade(aduana, *more):
    return aduana("upgrade", "contoso-prod", *RELEASE, "--watch", "0", "--yes", *more)


def settled(estate) -> bool:
    """What Terraform's plan says of each app: all traffic to the newest revision, by no name, in the mode that it was."""
    for service in ("proxy", "admin"):
        configuration = estate.properties(estate.installation.app(service))["configuration"]
        traffic = configuration["ingress"].get("traffic", [{"latestRevision": True, "weight": 100}])
        if traffic != [{"latestRevision": True, "weight": 100}] or configuration["activeRevisionsMode"] != "Single":
            return False
    return all(sum(each["properties"]["active"] for each in estate.apps.revisions(estate.installation.app(service))) == 1
               for service in ("proxy", "admin", "writer"))  # fmt: skip


def test_a_plan_shows_every_step_and_changes_nothing(estate, aduana):
    writes = list(estate.azure.arm.writes())
    code, planned = upgrade(aduana, "--plan")
    assert code == 0
    assert [step["id"] for step in planned["steps"]] == ORDER
    assert {step["standing"] for step in planned["steps"]} == {"to_do"}
    assert estate.azure.arm.writes() == writes
    assert estate.apps.executions == []


def test_new_images_come_in_by_shares_and_nothing_is_left_for_the_next_plan(estate, aduana):
    seen = []
    hold = estate.apps._share

    def share(app):
        hold(app)
        if app["id"] == estate.installation.app("proxy"):
            seen.append(sorted(estate.apps.traffic(app["id"]).values()))

    estate.apps._share = share
    code, done = upgrade(aduana)
    assert (code, [step["id"] for step in done["steps"]]) == (0, ORDER)
    assert estate.runs() == dict.fromkeys(SERVICES, NEW)
    assert settled(estate)
    assert [10, 90] in seen
    assert [50, 50] in seen
    tenant = load_tenant(estate.file)
    assert {getattr(tenant.images, kind) for kind in KINDS} == {image(kind, NEW) for kind in KINDS}
    assert estate.file.read_text().startswith("# Whose it is.\n")

    bootstraps = [
        (arguments, variables) for arguments, variables, _ in estate.apps.executions if arguments[0] == "bootstrap"
    ]
    assert ["--expand-only" in arguments for arguments, _ in bootstraps] == [True, False]
    specs = [read_spec(variables["BOOTSTRAP_SPEC"]) for _, variables in bootstraps]
    assert {(spec.seed, spec.skip_seed, len(spec.roles)) for spec in specs} == {(None, True, 3)}
    assert {used for _, _, used in estate.apps.executions} == {image("job", NEW)}
    assert all(variables["ADUANA_DATABASE_AUTH"] == "entra" for _, variables, _ in estate.apps.executions)

    code, again = upgrade(aduana)
    assert {step["standing"] for step in again["steps"]} == {"in_place"}


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("does not start", "does_not_start"),
        ("smoke fails", "smoke_failed"),
        ("errors", "errors"),
        ("job breaks", "smoke_failed"),
    ],
)
def test_what_fails_is_taken_back_by_itself(estate, aduana, fault, code):
    if fault == "does not start":
        # The writer runs the same image, and is the first to fail; then nothing else was begun.
        estate.apps.images[image("proxy", NEW)] = Behaviour(healthy=False)
    elif fault == "smoke fails":
        bad = {"id": "call.model", "status": "failed", "message": "no model answers", "remedy": "look", "figures": {}}
        estate.job_results["verify"] = {"ok": False, "inside": [bad]}
    elif fault == "errors":
        estate.apps.images[image("proxy", NEW)] = Behaviour(calls={"2xx": 90, "5xx": 10})
    else:
        estate.job_results["verify"] = lambda *_: None
    exit_code, failed = upgrade(aduana)
    assert (exit_code, failed["error"]["code"]) == (1, code)
    assert estate.runs() == dict.fromkeys(SERVICES, OLD)
    assert settled(estate)
    assert {step["standing"] for step in failed["error"]["details"]} >= {"failed", "rolled_back"}
    assert yaml.safe_load(estate.file.read_text())["images"]["proxy"] == image("proxy")

    estate.apps.images.clear()
    estate.job_results["verify"] = {"ok": True, "inside": [{**GOOD}]}
    assert upgrade(aduana)[0] == 0
    assert estate.runs() == dict.fromkeys(SERVICES, NEW)


GOOD = {"id": "call.model", "status": "passed", "message": "it answered", "remedy": "", "figures": {}}


def test_tables_that_cannot_be_brought_forward_stop_it_before_anything_is_changed(estate, aduana):
    estate.job_results["bootstrap"] = {"steps": [], "error": {"code": "busy", "message": "locked", "remedy": "again"}}
    writes = list(estate.azure.arm.writes())
    code, failed = upgrade(aduana)
    assert (code, failed["error"]["code"], estate.azure.arm.writes()) == (1, "busy", writes)


@pytest.mark.parametrize(
    "at", [1, 3, 6, 9, *(pytest.param(n, marks=pytest.mark.full) for n in (2, 4, 5, 7, 8, 10, 11))]
)
def test_an_upgrade_that_dies_anywhere_is_run_again_to_the_same_end(estate, aduana, at):
    """Azure stops answering at the n-th write: nothing can be taken back either, as where the machine dies."""
    respond, count = estate.azure.arm.respond, 0

    def dying(request):
        nonlocal count
        if request.method == "PATCH":
            count += 1
        if count >= at:
            return type(
                respond(request.__class__("GET", "/subscriptions", {"api-version": "2022-12-01"}, request.headers, b""))
            )(403, {"error": {"code": "AuthorizationFailed", "message": "it is over"}})
        return respond(request)

    estate.azure.arm.respond = dying
    code, _ = upgrade(aduana)
    estate.azure.arm.respond = respond
    assert code == (1 if count >= at else 0)
    assert upgrade(aduana)[0] == 0
    assert estate.runs() == dict.fromkeys(SERVICES, NEW)
    assert settled(estate)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--proxy", "not an image"],
        ["--shares", "50,10"],
        ["--shares", "10,90"],
        ["--images", "/nowhere.yaml"],
        ["--watch", "x"],
    ],
)
def test_wrong_usage_is_said_before_azure_is_asked(estate, aduana, arguments):
    given = arguments if not arguments or arguments[0] in ("--proxy", "--images") else [*RELEASE, *arguments]
    code, failed = aduana("upgrade", "contoso-prod", "--yes", *given)
    assert (code in (1, 2), bool(failed["error"]["message"]), estate.azure.arm.journal) == (True, True, [])


def test_without_yes_nobody_is_asked_where_nobody_is(estate, aduana):
    code, failed = aduana("upgrade", "contoso-prod", *RELEASE)
    assert (code, failed["error"]["code"]) == (2, "confirmation")
