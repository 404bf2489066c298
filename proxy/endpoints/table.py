"""The rows: every operation of the OpenAI SDK that requirements-dev.lock pins, but for the administration of the provider's
organisation. tests/proxy/surface/test_sdk_walk.py walks the SDK and fails on a method that is in no row.

https://platform.openai.com/docs/api-reference
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from proxy.endpoints import Azure, Endpoint, Metering, ModelAt, Sends

_FORM = Sends.FORM
_DEPLOYMENT = Azure.DEPLOYMENT

_BY_PASSES = (
    "It would connect the caller and the model provider directly, past the gateway's limits and its ledger. "
    "Connect to /v1/realtime by WebSocket instead."
)
_UNTIMED = (
    "No answer of the provider's says how long an environment of its own ran, so the gateway cannot meter it. Sessions with "
    "the environment 'none' are served."
)
_BY_ITSELF = (
    "It would begin work at the provider on its own, when nobody asks for it, past the gateway's limits and budgets."
)
_NOT_METERED = (
    "The provider does not say what such a session used by model and response, and the gateway serves nothing that it cannot "
    "meter. Use /v1/realtime."
)
_SHARED = "It changes what all callers of the provider's account share. Ask your Aduana administrator."

_SUBAGENT = "agents/sessions/{agent_session}/subagents/{subagent}"
_ARTIFACTS = "agents/sessions/{agent_session}/artifacts"
_AUTOMATION = "agents/automations/{automation}"


def _get(name: str, path: str, **columns: Any) -> Endpoint:
    return Endpoint(name, "", "GET", path, **columns)


def _post(name: str, path: str, **columns: Any) -> Endpoint:
    columns.setdefault("sends", Sends.JSON)
    return Endpoint(name, "", "POST", path, **columns)


def _delete(name: str, path: str, **columns: Any) -> Endpoint:
    return Endpoint(name, "", "DELETE", path, **columns)


def _scope(scope: str, *rows: Endpoint) -> Iterable[Endpoint]:
    return (replace(row, scope=scope) for row in rows)


ENDPOINTS: tuple[Endpoint, ...] = (
    *_scope(
        "chat.completions",
        _post(
            "chat.completions",
            "chat/completions",
            metering=Metering.CHAT,
            azure=_DEPLOYMENT,
            model=ModelAt.BODY,
            streams=True,
            stores=False,
            makes="chat_completion",
        ),
        _get("chat.completions.list", "chat/completions", lists="chat_completion"),
        _get("chat.completions.retrieve", "chat/completions/{chat_completion}"),
        _post("chat.completions.update", "chat/completions/{chat_completion}"),
        _delete("chat.completions.delete", "chat/completions/{chat_completion}", ends=True),
        _get("chat.completions.messages.list", "chat/completions/{chat_completion}/messages"),
    ),
    *_scope(
        "completions",
        _post(
            "completions",
            "completions",
            metering=Metering.COMPLETIONS,
            azure=_DEPLOYMENT,
            model=ModelAt.BODY,
            streams=True,
        ),
    ),
    *_scope(
        "embeddings",
        _post("embeddings", "embeddings", metering=Metering.EMBEDDINGS, azure=_DEPLOYMENT, model=ModelAt.BODY),
    ),
    *_scope(
        "responses",
        _post(
            "responses",
            "responses",
            metering=Metering.RESPONSES,
            model=ModelAt.BODY,
            streams=True,
            stores=True,
            makes="response",
        ),
        _get("responses.retrieve", "responses/{response}", streams=True),
        _delete("responses.delete", "responses/{response}", ends=True),
        _post("responses.cancel", "responses/{response}/cancel"),
        _get("responses.input_items.list", "responses/{response}/input_items"),
        _post("responses.input_tokens.count", "responses/input_tokens", model=ModelAt.BODY_OPTIONAL),
        _post("responses.compact", "responses/compact", metering=Metering.RESPONSES, model=ModelAt.BODY),
        # Each response of it is a call of its own, by the row `responses`.
        _get("responses.connect", "responses", metering=Metering.RESPONSES, sends=Sends.SOCKET),
    ),
    *_scope("decisions", _post("decisions", "decisions", metering=Metering.RESPONSES, model=ModelAt.BODY)),
    *_scope(
        "conversations",
        _post("conversations.create", "conversations", makes="conversation"),
        _get("conversations.retrieve", "conversations/{conversation}"),
        _post("conversations.update", "conversations/{conversation}"),
        _delete("conversations.delete", "conversations/{conversation}", ends=True),
        _post("conversations.items.create", "conversations/{conversation}/items"),
        _get("conversations.items.list", "conversations/{conversation}/items"),
        _get("conversations.items.retrieve", "conversations/{conversation}/items/{item}"),
        _delete("conversations.items.delete", "conversations/{conversation}/items/{item}"),
    ),
    *_scope(
        "images",
        _post(
            "images.generate",
            "images/generations",
            metering=Metering.IMAGES,
            azure=_DEPLOYMENT,
            model=ModelAt.BODY,
            streams=True,
        ),
        _post(
            "images.edit",
            "images/edits",
            metering=Metering.IMAGES,
            azure=_DEPLOYMENT,
            model=ModelAt.FORM,
            sends=_FORM,
            streams=True,
        ),
        _post(
            "images.create_variation", "images/variations", metering=Metering.IMAGES, model=ModelAt.FORM, sends=_FORM
        ),
    ),
    *_scope(
        "audio.speech",
        _post(
            "audio.speech",
            "audio/speech",
            metering=Metering.SPEECH,
            azure=_DEPLOYMENT,
            model=ModelAt.BODY,
            streams=True,
            binary=True,
        ),
    ),
    *_scope(
        "audio.transcriptions",
        _post(
            "audio.transcriptions",
            "audio/transcriptions",
            metering=Metering.TRANSCRIPTION,
            azure=_DEPLOYMENT,
            model=ModelAt.FORM,
            sends=_FORM,
            streams=True,
            binary=True,  # or text, SRT, VTT
        ),
    ),
    *_scope(
        "audio.translations",
        _post(
            "audio.translations",
            "audio/translations",
            metering=Metering.TRANSCRIPTION,
            azure=_DEPLOYMENT,
            model=ModelAt.FORM,
            sends=_FORM,
            binary=True,
        ),
    ),
    *_scope(
        "audio.voices",
        _post("audio.voices.create", "audio/voices", sends=_FORM, makes="voice"),
        _delete("audio.voices.delete", "audio/voices/{voice}", ends=True),
        _post("audio.voice_consents.create", "audio/voice_consents", sends=_FORM, makes="voice_consent"),
        _get("audio.voice_consents.list", "audio/voice_consents", lists="voice_consent"),
        _get("audio.voice_consents.retrieve", "audio/voice_consents/{voice_consent}"),
        _post("audio.voice_consents.update", "audio/voice_consents/{voice_consent}"),
        _delete("audio.voice_consents.delete", "audio/voice_consents/{voice_consent}", ends=True),
    ),
    *_scope("moderations", _post("moderations", "moderations", model=ModelAt.BODY_OPTIONAL)),
    *_scope(
        "files",
        _post("files.create", "files", sends=_FORM, makes="file"),
        _get("files.list", "files", lists="file"),
        _get("files.retrieve", "files/{file}"),
        _delete("files.delete", "files/{file}", ends=True),
        _get("files.content", "files/{file}/content", binary=True),
    ),
    *_scope(
        "uploads",
        _post("uploads.create", "uploads", makes="upload"),
        _post("uploads.parts.create", "uploads/{upload}/parts", sends=_FORM, makes="upload_part"),
        _post("uploads.complete", "uploads/{upload}/complete"),
        _post("uploads.cancel", "uploads/{upload}/cancel"),
    ),
    *_scope(
        "batches",
        _post("batches.create", "batches", metering=Metering.DEFERRED, makes="batch"),
        _get("batches.list", "batches", lists="batch"),
        _get("batches.retrieve", "batches/{batch}"),
        _post("batches.cancel", "batches/{batch}/cancel"),
    ),
    *_scope(
        "vector_stores",
        _post("vector_stores.create", "vector_stores", makes="vector_store"),
        _get("vector_stores.list", "vector_stores", lists="vector_store"),
        _get("vector_stores.retrieve", "vector_stores/{vector_store}"),
        _post("vector_stores.update", "vector_stores/{vector_store}"),
        _delete("vector_stores.delete", "vector_stores/{vector_store}", ends=True),
        _post("vector_stores.search", "vector_stores/{vector_store}/search"),
        _post("vector_stores.files.create", "vector_stores/{vector_store}/files"),
        _get("vector_stores.files.list", "vector_stores/{vector_store}/files"),
        _get("vector_stores.files.retrieve", "vector_stores/{vector_store}/files/{file}"),
        _post("vector_stores.files.update", "vector_stores/{vector_store}/files/{file}"),
        _delete("vector_stores.files.delete", "vector_stores/{vector_store}/files/{file}"),
        _get("vector_stores.files.content", "vector_stores/{vector_store}/files/{file}/content"),
        _post("vector_stores.file_batches.create", "vector_stores/{vector_store}/file_batches"),
        _get("vector_stores.file_batches.retrieve", "vector_stores/{vector_store}/file_batches/{file_batch}"),
        _post("vector_stores.file_batches.cancel", "vector_stores/{vector_store}/file_batches/{file_batch}/cancel"),
        _get("vector_stores.file_batches.list_files", "vector_stores/{vector_store}/file_batches/{file_batch}/files"),
    ),
    *_scope(
        "fine_tuning",
        _post("fine_tuning.jobs.create", "fine_tuning/jobs", metering=Metering.DEFERRED, makes="fine_tuning_job"),
        _get("fine_tuning.jobs.list", "fine_tuning/jobs", lists="fine_tuning_job"),
        _get("fine_tuning.jobs.retrieve", "fine_tuning/jobs/{fine_tuning_job}"),
        _post("fine_tuning.jobs.cancel", "fine_tuning/jobs/{fine_tuning_job}/cancel"),
        _post("fine_tuning.jobs.pause", "fine_tuning/jobs/{fine_tuning_job}/pause"),
        _post("fine_tuning.jobs.resume", "fine_tuning/jobs/{fine_tuning_job}/resume"),
        _get("fine_tuning.jobs.list_events", "fine_tuning/jobs/{fine_tuning_job}/events"),
        _get("fine_tuning.jobs.checkpoints.list", "fine_tuning/jobs/{fine_tuning_job}/checkpoints"),
        _post(
            "fine_tuning.checkpoints.permissions.create",
            "fine_tuning/checkpoints/{checkpoint}/permissions",
            refused=_SHARED,
        ),
        _get(
            "fine_tuning.checkpoints.permissions.list",
            "fine_tuning/checkpoints/{checkpoint}/permissions",
            refused=_SHARED,
        ),
        _delete(
            "fine_tuning.checkpoints.permissions.delete",
            "fine_tuning/checkpoints/{checkpoint}/permissions/{permission}",
            refused=_SHARED,
        ),
        _post("fine_tuning.alpha.graders.run", "fine_tuning/alpha/graders/run", model=ModelAt.NESTED),
        _post("fine_tuning.alpha.graders.validate", "fine_tuning/alpha/graders/validate", model=ModelAt.NESTED),
    ),
    *_scope(
        "assistants",
        _post("assistants.create", "assistants", model=ModelAt.BODY, makes="assistant"),
        _get("assistants.list", "assistants", lists="assistant"),
        _get("assistants.retrieve", "assistants/{assistant}"),
        _post("assistants.update", "assistants/{assistant}", model=ModelAt.BODY_OPTIONAL),
        _delete("assistants.delete", "assistants/{assistant}", ends=True),
        _post("threads.create", "threads", makes="thread"),
        _get("threads.retrieve", "threads/{thread}"),
        _post("threads.update", "threads/{thread}"),
        _delete("threads.delete", "threads/{thread}", ends=True),
        _post("threads.messages.create", "threads/{thread}/messages"),
        _get("threads.messages.list", "threads/{thread}/messages"),
        _get("threads.messages.retrieve", "threads/{thread}/messages/{message}"),
        _post("threads.messages.update", "threads/{thread}/messages/{message}"),
        _delete("threads.messages.delete", "threads/{thread}/messages/{message}"),
        _post(
            "threads.runs.create",
            "threads/{thread}/runs",
            metering=Metering.RUN,
            model=ModelAt.BODY_OPTIONAL,
            streams=True,
            makes="run",
        ),
        _post(
            "threads.create_and_run",
            "threads/runs",
            metering=Metering.RUN,
            model=ModelAt.BODY_OPTIONAL,
            streams=True,
            makes="run",
        ),
        _get("threads.runs.list", "threads/{thread}/runs"),
        _get("threads.runs.retrieve", "threads/{thread}/runs/{run}"),
        _post("threads.runs.update", "threads/{thread}/runs/{run}"),
        _post("threads.runs.cancel", "threads/{thread}/runs/{run}/cancel"),
        _post("threads.runs.submit_tool_outputs", "threads/{thread}/runs/{run}/submit_tool_outputs", streams=True),
        _get("threads.runs.steps.list", "threads/{thread}/runs/{run}/steps"),
        _get("threads.runs.steps.retrieve", "threads/{thread}/runs/{run}/steps/{step}"),
    ),
    *_scope(
        "containers",
        _post("containers.create", "containers", metering=Metering.DEFERRED, makes="container"),
        _get("containers.list", "containers", lists="container"),
        _get("containers.retrieve", "containers/{container}"),
        _delete("containers.delete", "containers/{container}", ends=True),
        _post("containers.files.create", "containers/{container}/files", sends=_FORM),
        _get("containers.files.list", "containers/{container}/files"),
        _get("containers.files.retrieve", "containers/{container}/files/{container_file}"),
        _delete("containers.files.delete", "containers/{container}/files/{container_file}"),
        _get("containers.files.content", "containers/{container}/files/{container_file}/content", binary=True),
    ),
    *_scope(
        "evals",
        _post("evals.create", "evals", model=ModelAt.NESTED, makes="eval"),
        _get("evals.list", "evals", lists="eval"),
        _get("evals.retrieve", "evals/{eval}"),
        _post("evals.update", "evals/{eval}"),
        _delete("evals.delete", "evals/{eval}", ends=True),
        _post(
            "evals.runs.create",
            "evals/{eval}/runs",
            metering=Metering.DEFERRED,
            model=ModelAt.NESTED,
            makes="eval_run",
        ),
        _get("evals.runs.list", "evals/{eval}/runs"),
        _get("evals.runs.retrieve", "evals/{eval}/runs/{eval_run}"),
        _post("evals.runs.cancel", "evals/{eval}/runs/{eval_run}/cancel"),
        _delete("evals.runs.delete", "evals/{eval}/runs/{eval_run}", ends=True),
        _get("evals.runs.output_items.list", "evals/{eval}/runs/{eval_run}/output_items"),
        _get("evals.runs.output_items.retrieve", "evals/{eval}/runs/{eval_run}/output_items/{output_item}"),
    ),
    *_scope(
        "videos",
        _post(
            "videos.create",
            "videos",
            metering=Metering.DEFERRED,
            model=ModelAt.FORM_OPTIONAL,
            sends=_FORM,
            makes="video",
        ),
        _get("videos.list", "videos", lists="video"),
        _get("videos.retrieve", "videos/{video}"),
        _delete("videos.delete", "videos/{video}", ends=True),
        _get("videos.download_content", "videos/{video}/content", binary=True),
        _post("videos.remix", "videos/{video}/remix", metering=Metering.DEFERRED, makes="video"),
        _post("videos.edit", "videos/edits", metering=Metering.DEFERRED, sends=_FORM, makes="video"),
        _post("videos.extend", "videos/extensions", metering=Metering.DEFERRED, sends=_FORM, makes="video"),
        _post("videos.create_character", "videos/characters", sends=_FORM, makes="character"),
        _get("videos.get_character", "videos/characters/{character}"),
    ),
    *_scope(
        "realtime",
        _get(
            "realtime",
            "realtime",
            metering=Metering.REALTIME,
            model=ModelAt.QUERY,
            sends=Sends.SOCKET,
        ),
        _post("realtime.client_secrets.create", "realtime/client_secrets", model=ModelAt.NESTED),
        _post("realtime.sessions.create", "realtime/sessions", model=ModelAt.BODY_OPTIONAL),
        _post("realtime.transcription_sessions.create", "realtime/transcription_sessions", model=ModelAt.NESTED),
        _post("realtime.calls.create", "realtime/calls", sends=_FORM, refused=_BY_PASSES),
        _post("realtime.calls.accept", "realtime/calls/{call}/accept", refused=_BY_PASSES),
        _post("realtime.calls.hangup", "realtime/calls/{call}/hangup", refused=_BY_PASSES),
        _post("realtime.calls.refer", "realtime/calls/{call}/refer", refused=_BY_PASSES),
        _post("realtime.calls.reject", "realtime/calls/{call}/reject", refused=_BY_PASSES),
        _post(
            "realtime.translations.client_secrets.create", "realtime/translations/client_secrets", refused=_NOT_METERED
        ),
        _get("realtime.translations", "realtime/translations", sends=Sends.SOCKET, refused=_NOT_METERED),
    ),
    *_scope(
        "live",
        _get("live.connect", "live", sends=Sends.SOCKET, refused=_NOT_METERED),
        _post("live.create", "live/sessions", refused=_BY_PASSES),
        _post("live.sessions.accept", "live/sessions/{live_session}/accept", refused=_BY_PASSES),
        _get("live.sessions.download_recording", "live/sessions/{live_session}/content", refused=_BY_PASSES),
        _post("live.sessions.fork", "live/sessions/{live_session}/fork", refused=_BY_PASSES),
        _post("live.sessions.hangup", "live/sessions/{live_session}/hangup", refused=_BY_PASSES),
        _post("live.sessions.refer", "live/sessions/{live_session}/refer", refused=_BY_PASSES),
        _post("live.sessions.reject", "live/sessions/{live_session}/reject", refused=_BY_PASSES),
    ),
    *_scope(
        "skills",
        _post("skills.create", "skills", sends=_FORM, makes="skill"),
        _get("skills.list", "skills", lists="skill"),
        _get("skills.retrieve", "skills/{skill}"),
        _post("skills.update", "skills/{skill}"),
        _delete("skills.delete", "skills/{skill}", ends=True),
        _get("skills.content.retrieve", "skills/{skill}/content", binary=True),
        _post("skills.versions.create", "skills/{skill}/versions", sends=_FORM),
        _get("skills.versions.list", "skills/{skill}/versions"),
        _get("skills.versions.retrieve", "skills/{skill}/versions/{version}"),
        _delete("skills.versions.delete", "skills/{skill}/versions/{version}"),
        _get("skills.versions.content.retrieve", "skills/{skill}/versions/{version}/content", binary=True),
    ),
    # An agent's session works at the provider by turns; what each used is asked for when it has ended.
    *_scope(
        "agents",
        _post("agents.create", "agents", model=ModelAt.BODY, makes="agent"),
        _get("agents.list", "agents", lists="agent"),
        _get("agents.retrieve", "agents/{agent}"),
        _post("agents.update", "agents/{agent}", model=ModelAt.BODY_OPTIONAL),
        _delete("agents.delete", "agents/{agent}", ends=True),
        _post(
            "agents.sessions.create",
            "agents/sessions",
            metering=Metering.DEFERRED,
            model=ModelAt.AGENT,
            streams=True,
            makes="agent_session",
        ),
        _get("agents.sessions.list", "agents/sessions", lists="agent_session"),
        _get("agents.sessions.retrieve", "agents/sessions/{agent_session}"),
        _post("agents.sessions.update", "agents/sessions/{agent_session}", model=ModelAt.AGENT, resumes=True),
        _delete("agents.sessions.delete", "agents/sessions/{agent_session}", ends=True),
        _post(
            "agents.sessions.events.create",
            "agents/sessions/{agent_session}/events",
            model=ModelAt.AGENT,
            resumes=True,
        ),
        _get("agents.sessions.events.stream", "agents/sessions/{agent_session}/events", always_streams=True),
        _get("agents.sessions.items.list", "agents/sessions/{agent_session}/items"),
        _get("agents.sessions.turns.list", "agents/sessions/{agent_session}/turns"),
        _get("agents.sessions.turns.retrieve", "agents/sessions/{agent_session}/turns/{turn}"),
        _get("agents.sessions.turns.items.list", "agents/sessions/{agent_session}/turns/{turn}/items"),
        _get("agents.sessions.subagents.list", "agents/sessions/{agent_session}/subagents"),
        _get("agents.sessions.subagents.retrieve", f"{_SUBAGENT}"),
        _get("agents.sessions.subagents.items.list", f"{_SUBAGENT}/items"),
        _get("agents.sessions.subagents.turns.list", f"{_SUBAGENT}/turns"),
        _get("agents.sessions.subagents.turns.retrieve", f"{_SUBAGENT}/turns/{{turn}}"),
        _get("agents.sessions.subagents.turns.items.list", f"{_SUBAGENT}/turns/{{turn}}/items"),
        _get("agents.sessions.traces.list", "agents/sessions/{agent_session}/traces"),
        _get("agents.sessions.artifacts.list", f"{_ARTIFACTS}", refused=_UNTIMED),
        _get("agents.sessions.artifacts.retrieve", f"{_ARTIFACTS}/{{artifact}}", refused=_UNTIMED),
        _delete("agents.sessions.artifacts.delete", f"{_ARTIFACTS}/{{artifact}}", refused=_UNTIMED),
        _get("agents.sessions.artifacts.content", f"{_ARTIFACTS}/{{artifact}}/content", refused=_UNTIMED),
        _post("agents.environments.create", "agents/environments", refused=_UNTIMED),
        _get("agents.environments.list", "agents/environments", refused=_UNTIMED),
        _get("agents.environments.retrieve", "agents/environments/{environment}", refused=_UNTIMED),
        _post("agents.environments.files.create", "agents/environments/{environment}/files", refused=_UNTIMED),
        _get("agents.environments.files.list", "agents/environments/{environment}/files", refused=_UNTIMED),
        _post("agents.environments.templates.create", "agents/environments/templates", refused=_UNTIMED),
        _get("agents.environments.templates.list", "agents/environments/templates", refused=_UNTIMED),
        _get("agents.environments.templates.retrieve", "agents/environments/templates/{template}", refused=_UNTIMED),
        _post("agents.environments.templates.update", "agents/environments/templates/{template}", refused=_UNTIMED),
        _delete("agents.environments.templates.delete", "agents/environments/templates/{template}", refused=_UNTIMED),
        _post("agents.automations.create", "agents/automations", refused=_BY_ITSELF),
        _get("agents.automations.list", "agents/automations", refused=_BY_ITSELF),
        _get("agents.automations.retrieve", f"{_AUTOMATION}", refused=_BY_ITSELF),
        _post("agents.automations.update", f"{_AUTOMATION}", refused=_BY_ITSELF),
        _delete("agents.automations.delete", f"{_AUTOMATION}", refused=_BY_ITSELF),
        _post("agents.automations.pause", f"{_AUTOMATION}/pause", refused=_BY_ITSELF),
        _post("agents.automations.resume", f"{_AUTOMATION}/resume", refused=_BY_ITSELF),
        _post("agents.automations.invocations.create", f"{_AUTOMATION}/invocations", refused=_BY_ITSELF),
        _get("agents.automations.invocations.list", f"{_AUTOMATION}/invocations", refused=_BY_ITSELF),
        _get(
            "agents.automations.invocations.retrieve", f"{_AUTOMATION}/invocations/{{invocation}}", refused=_BY_ITSELF
        ),
        _post("agents.vaults.create", "vaults", makes="vault"),
        _get("agents.vaults.list", "vaults", lists="vault"),
        _get("agents.vaults.retrieve", "vaults/{vault}"),
        _post("agents.vaults.update", "vaults/{vault}"),
        _delete("agents.vaults.delete", "vaults/{vault}", ends=True),
        _post("agents.vaults.credentials.create", "vaults/{vault}/credentials", makes="vault_credential"),
        _get("agents.vaults.credentials.list", "vaults/{vault}/credentials"),
        _get("agents.vaults.credentials.retrieve", "vaults/{vault}/credentials/{vault_credential}"),
        _post("agents.vaults.credentials.update", "vaults/{vault}/credentials/{vault_credential}"),
        _delete("agents.vaults.credentials.delete", "vaults/{vault}/credentials/{vault_credential}", ends=True),
    ),
    *_scope(
        "chatkit",
        _post("chatkit.sessions.create", "chatkit/sessions", refused=_BY_PASSES),
        _post("chatkit.sessions.cancel", "chatkit/sessions/{chatkit_session}/cancel", refused=_BY_PASSES),
        _get("chatkit.threads.list", "chatkit/threads", refused=_BY_PASSES),
        _get("chatkit.threads.retrieve", "chatkit/threads/{chatkit_thread}", refused=_BY_PASSES),
        _delete("chatkit.threads.delete", "chatkit/threads/{chatkit_thread}", refused=_BY_PASSES),
        _get("chatkit.threads.list_items", "chatkit/threads/{chatkit_thread}/items", refused=_BY_PASSES),
    ),
    *_scope(
        "content_provenance_checks",
        _post("content_provenance_checks", "content_provenance_checks", sends=_FORM),
    ),
    *_scope(
        "models",
        _delete("models.delete", "models/{model}", refused=_SHARED),
    ),
    *_scope(
        "safety",
        _get("safety.alerts.retrieve", "safety/alerts/{alert}", refused=_SHARED),
        _get("safety.cases.retrieve", "safety/cases/{case}", refused=_SHARED),
    ),
    *_scope(
        "webhooks",
        _get("webhooks.event_types.list", "webhook_event_types", refused=_SHARED),
        _post("webhooks.create", "webhook_endpoints", refused=_SHARED),
        _get("webhooks.list", "webhook_endpoints", refused=_SHARED),
        _get("webhooks.retrieve", "webhook_endpoints/{webhook_endpoint}", refused=_SHARED),
        _post("webhooks.update", "webhook_endpoints/{webhook_endpoint}", refused=_SHARED),
        _delete("webhooks.delete", "webhook_endpoints/{webhook_endpoint}", refused=_SHARED),
        _post("webhooks.rotate_secret", "webhook_endpoints/{webhook_endpoint}/rotate_secret", refused=_SHARED),
        _post("webhooks.test", "webhook_endpoints/{webhook_endpoint}/test", refused=_SHARED),
    ),
)

MADE = frozenset(row.makes for row in ENDPOINTS if row.makes is not None)
"""The kinds of objects whose owners are known."""

# The shortest way to each: a file is retrieved as itself, not as a part of a vector store.
RETRIEVED: dict[str, Endpoint] = {
    row.kinds[-1]: row
    for row in sorted(ENDPOINTS, key=lambda row: -len(row.kinds))
    if row.method == "GET" and row.kinds and row.path.endswith(f"{{{row.kinds[-1]}}}")
}
"""Where an object's state is asked for, by its kind."""
