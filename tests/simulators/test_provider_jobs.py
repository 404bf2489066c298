"""What the simulated provider makes in its own time: models, videos, evals; and where files lie: containers, skills."""

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from tests.simulators.fixtures import Simulator
from tests.simulators.operations import AT_ONCE, MANUAL, Made


@pytest.fixture
def client(fresh_simulator: Simulator) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{fresh_simulator.url}/v1", api_key="sk-any", max_retries=0) as client:
        yield client


# Fine-tuning


def test_a_job_ends_with_a_model_and_bills_what_it_trained_on(fresh_simulator: Simulator, client: OpenAI) -> None:
    begun = client.fine_tuning.jobs.create(
        model="gpt-4o-mini",
        training_file=Made(client).training_file,
        suffix="mine",
        hyperparameters={"n_epochs": 2},
        extra_headers=AT_ONCE,
    )
    assert (begun.status, begun.trained_tokens) == ("validating_files", None)

    job = client.fine_tuning.jobs.retrieve(begun.id)
    assert job.status == "succeeded"
    assert (job.fine_tuned_model or "").startswith("ft:gpt-4o-mini:simulated:mine:")
    assert job.trained_tokens
    assert job.trained_tokens % 2 == 0
    billed: Any = fresh_simulator.usage()["gpt-4o-mini"]
    assert billed["units"] == {"training_token": job.trained_tokens}
    assert client.files.content(job.result_files[0]).text.startswith("step")
    assert len(client.fine_tuning.jobs.checkpoints.list(job.id).data) == 1
    assert client.fine_tuning.jobs.list_events(job.id).data[0].message.endswith("completed")


def test_a_file_that_is_no_example_fails_the_job(fresh_simulator: Simulator, client: OpenAI) -> None:
    file = client.files.create(file=("a.jsonl", b'{"prompt": "x"}\n'), purpose="fine-tune").id
    begun = client.fine_tuning.jobs.create(model="gpt-4o-mini", training_file=file, extra_headers=AT_ONCE)

    job = client.fine_tuning.jobs.retrieve(begun.id)
    assert job.status == "failed"
    assert job.error is not None
    assert "Line 1" in job.error.message
    assert fresh_simulator.usage() == {}
    with pytest.raises(openai.BadRequestError, match="file-none"):
        client.fine_tuning.jobs.create(model="gpt-4o-mini", training_file="file-none")


def test_a_job_can_be_paused_resumed_and_cancelled(client: OpenAI) -> None:
    job = Made(client).new_paused_job()
    client.fine_tuning.jobs.resume(job, extra_headers=AT_ONCE)
    assert client.fine_tuning.jobs.retrieve(job).status == "succeeded"

    with pytest.raises(openai.BadRequestError, match="succeeded"):
        client.fine_tuning.jobs.cancel(job)
    assert client.fine_tuning.jobs.cancel(Made(client).new_paused_job()).status == "cancelled"


# Videos


def test_a_video_is_billed_by_its_seconds_when_it_is_ready(fresh_simulator: Simulator, client: OpenAI) -> None:
    begun = client.videos.create(prompt="a harbor", seconds="8", size="1280x720")
    assert begun.status == "queued"
    with pytest.raises(openai.NotFoundError, match="not ready"):
        client.videos.download_content(begun.id)

    done = client.videos.poll(begun.id, poll_interval_ms=50)
    assert (done.status, done.progress, done.seconds) == ("completed", 100, "8")
    assert len(client.videos.download_content(done.id).content) == 800_000
    remixed = client.videos.remix(done.id, prompt="by night", extra_headers=AT_ONCE)
    assert remixed.remixed_from_video_id == done.id
    # The SDK takes files alone, where the API takes an id, too.
    fields = {"video": {"id": done.id}, "prompt": "on", "seconds": "4"}
    extended = httpx.post(f"{fresh_simulator.url}/v1/videos/extensions", json=fields, headers=AT_ONCE, timeout=60)
    assert extended.json()["size"] == "1280x720"
    billed: Any = fresh_simulator.usage()["sora-2"]
    assert billed["units"] == {"video_millisecond:1280x720": 20_000}


def test_a_video_that_failed_is_not_billed(fresh_simulator: Simulator, client: OpenAI) -> None:
    headers = {"x-simulate": "ready-after=0; ends-as=failed"}
    video = client.videos.retrieve(client.videos.create(prompt="x", extra_headers=headers).id)

    assert video.status == "failed"
    assert fresh_simulator.usage() == {}
    form = {"video[id]": "video_none", "prompt": "x"}
    edited = httpx.post(f"{fresh_simulator.url}/v1/videos/edits", data=form, files={"x": b""}, timeout=60)
    assert edited.status_code == 404


# Evals


def test_a_run_samples_grades_and_bills(fresh_simulator: Simulator, client: OpenAI) -> None:
    made = Made(client)
    run: Any = client.evals.runs.retrieve(made.new_eval_run(), eval_id=made.evaluation)

    assert run.status == "completed"
    assert run.result_counts.to_dict() == {"total": 2, "passed": 2, "failed": 0, "errored": 0}
    (usage,) = run.per_model_usage
    billed = fresh_simulator.usage()["gpt-4o"]
    assert (usage.invocation_count, usage.total_tokens) == (2, billed["total_tokens"])
    items = client.evals.runs.output_items.list(run.id, eval_id=made.evaluation).data
    assert [item.sample.output[0].content for item in items] == ["42", "7"]


def test_a_grader_that_is_a_model_is_billed(fresh_simulator: Simulator, client: OpenAI) -> None:
    grader: Any = {
        "type": "score_model",
        "name": "judge",
        "model": "gpt-4o",
        "input": [{"role": "user", "content": "Is {{sample.output_text}} right?"}],
    }
    graded = client.fine_tuning.alpha.graders.run(grader=grader, model_sample="42")

    assert graded.reward == 1.0
    assert graded.metadata.token_usage == fresh_simulator.usage()["gpt-4o"]["total_tokens"]
    with pytest.raises(openai.BadRequestError, match="Invalid value"):
        client.fine_tuning.alpha.graders.validate(grader={**grader, "type": "nothing"})


# Containers and skills


def test_a_container_holds_files(client: OpenAI) -> None:
    container = client.containers.create(name="box").id
    file = client.containers.files.create(container, file=("a.bin", b"\x00\x01")).id

    assert client.containers.files.content.retrieve(file, container_id=container).content == b"\x00\x01"
    client.containers.files.delete(file, container_id=container)
    assert client.containers.files.list(container).data == []
    client.containers.delete(container)
    with pytest.raises(openai.NotFoundError):
        client.containers.retrieve(container)


def test_a_skill_has_versions_and_a_default(client: OpenAI) -> None:
    skill = client.skills.create(files=[("sail/SKILL.md", MANUAL)])
    assert (skill.name, skill.description, skill.default_version) == ("sailing", "How to sail.", "1")

    better = MANUAL.replace(b"sailing", b"rowing")
    assert client.skills.versions.create(skill.id, files=[("sail/SKILL.md", better)]).version == "2"
    assert client.skills.retrieve(skill.id).latest_version == "2"
    assert client.skills.update(skill.id, default_version="2").name == "rowing"
    packed = zipfile.ZipFile(io.BytesIO(client.skills.content.retrieve(skill.id).content))
    assert b"rowing" in packed.read(packed.namelist()[0])
