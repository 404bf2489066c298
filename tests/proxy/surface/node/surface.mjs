// Calls every endpoint of the surface once with the stock Node SDK, and prints what came of it as JSON, by the row's name:
// null where the SDK completed it, else the error. Usage: node surface.mjs URL KEY SURFACE

import OpenAI, { AzureOpenAI, toFile } from "openai";

const [url, apiKey, surface] = process.argv.slice(2);
const options = { apiKey, maxRetries: 0 };
const clients = {
  openai: () => new OpenAI({ baseURL: `${url}/v1`, ...options }),
  azure_v1: () => new OpenAI({ baseURL: `${url}/openai/v1`, ...options }),
  azure: () => new AzureOpenAI({ endpoint: url, apiVersion: "2025-04-01-preview", ...options }),
};
const client = clients[surface]();

const model = "gpt-4o";
const messages = [{ role: "user", content: "write 5 tokens" }];
const atOnce = { headers: { "x-simulate": "ready-after=0" } };
const picture = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);
const manual = () => toFile(Buffer.from("---\nname: sailing\ndescription: How to sail.\n---\nHoist."), "sail/SKILL.md");
const png = () => toFile(picture, "a.png", { type: "image/png" });
const film = () => toFile(Buffer.from("mp4"), "a.mp4", { type: "video/mp4" });
const text = (content = "text", name = "a.txt") => toFile(Buffer.from(content), name);

function sound() {
  const length = 16000; // two seconds of 8 kHz silence
  const data = Buffer.alloc(44 + length);
  data.write("RIFF", 0);
  data.writeUInt32LE(36 + length, 4);
  data.write("WAVEfmt ", 8);
  data.writeUInt32LE(16, 16);
  data.writeUInt16LE(1, 20);
  data.writeUInt16LE(1, 22);
  data.writeUInt32LE(8000, 24);
  data.writeUInt32LE(8000, 28);
  data.writeUInt16LE(1, 32);
  data.writeUInt16LE(8, 34);
  data.write("data", 36);
  data.writeUInt32LE(length, 40);
  return toFile(data, "a.wav", { type: "audio/wav" });
}

const grader = {
  type: "string_check",
  name: "same",
  input: "{{sample.output_text}}",
  reference: "{{item.expected}}",
  operation: "eq",
};

// What a call needs to be there already.
const fresh = {
  chat: () => client.chat.completions.create({ model, messages, store: true }),
  response: (more = {}) => client.responses.create({ model, input: "write 5 tokens", ...more }),
  file: (content = "The harbor opens at nine.", purpose = "assistants") =>
    text(content, "notes.txt").then((file) => client.files.create({ purpose, file })),
  upload: () => client.uploads.create({ bytes: 5, filename: "a.txt", mime_type: "text/plain", purpose: "assistants" }),
  batch: async () => {
    const line = { custom_id: "one", method: "POST", url: "/v1/chat/completions", body: { model, messages } };
    const file = await fresh.file(JSON.stringify(line), "batch");
    return client.batches.create({ input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" });
  },
  store: async () => client.vectorStores.create({ name: "papers", file_ids: [(await made("file")).id] }),
  fileBatch: async () =>
    client.vectorStores.fileBatches.create((await made("store")).id, { file_ids: [(await made("file")).id] }),
  conversation: () => client.conversations.create({ items: [{ role: "user", content: "hello" }] }),
  item: async () => {
    const items = [{ type: "message", role: "user", content: "x" }];
    return (await client.conversations.items.create((await made("conversation")).id, { items })).data[0];
  },
  consent: async () => client.audio.voiceConsents.create({ name: "x", language: "en", recording: await sound() }),
  voice: () => client.audio.voices.create({ name: "mine", type: "prompt", prompt: "a calm voice" }),
  training: () => {
    const said = [...messages, { role: "assistant", content: "Good morning." }];
    return fresh.file(`${JSON.stringify({ messages: said })}\n`, "fine-tune");
  },
  job: async () =>
    client.fineTuning.jobs.create({ model: "gpt-4o-mini", training_file: (await made("training")).id }),
  assistant: () => client.beta.assistants.create({ model, instructions: "Be brief." }),
  thread: () => client.beta.threads.create({ messages }),
  message: async () => client.beta.threads.messages.create((await made("thread")).id, { role: "user", content: "x" }),
  run: async () =>
    client.beta.threads.runs.createAndPoll(
      (await fresh.thread()).id,
      { assistant_id: (await made("assistant")).id },
      { pollIntervalMs: 50 },
    ),
  container: () => client.containers.create({ name: "box" }),
  containerFile: async () =>
    client.containers.files.create((await made("container")).id, { file: await text() }),
  eval: () =>
    client.evals.create({
      data_source_config: { type: "custom", item_schema: { type: "object" }, include_sample_schema: true },
      testing_criteria: [grader],
      name: "sums",
    }),
  evalRun: async (simulate = "ready-after=0") =>
    client.evals.runs.create(
      (await made("eval")).id,
      {
        data_source: {
          type: "completions",
          model,
          source: { type: "file_content", content: [{ item: { question: "echo 42", expected: "42" } }] },
          input_messages: { type: "template", template: [{ role: "user", content: "{{item.question}}" }] },
        },
      },
      { headers: { "x-simulate": simulate } },
    ),
  video: () => client.videos.create({ model: "sora-2", prompt: "a harbor" }, atOnce),
  character: async () => client.videos.createCharacter({ name: "sailor", video: await film() }),
  skill: async () => client.skills.create({ files: [await manual()] }),
  agent: () => client.beta.agents.create({ model, multi_agent: { enabled: true } }),
  session: async (more = {}) =>
    client.beta.agents.sessions.create(
      { agent_id: (await made("agent")).id, environment: { type: "none" }, ...more },
      atOnce,
    ),
  delegating: () => fresh.session({ input: "delegate: write 5 tokens" }),
  turn: async () => (await client.beta.agents.sessions.turns.list(await id("delegating"))).data[0],
  subagent: async () => (await client.beta.agents.sessions.subagents.list(await id("delegating"))).data[0],
  subagentTurn: async () =>
    (await client.beta.agents.sessions.subagents.turns.list(await id("subagent"), await inSession())).data[0],
  vault: () => client.beta.agents.vaults.create({ name: "keys" }),
  credential: async () =>
    client.beta.agents.vaults.credentials.create(await id("vault"), {
      name: "docs",
      auth: { type: "static_bearer", token: "t-1", mcp_server_url: "https://mcp.example" },
    }),
};
const shared = new Map();

function made(kind) {
  if (!shared.has(kind)) shared.set(kind, fresh[kind]());
  return shared.get(kind);
}
const id = async (kind) => (await made(kind)).id;
const newId = async (kind) => (await fresh[kind]()).id;
const inRun = async () => ({ thread_id: (await made("run")).thread_id });
const inStore = async () => ({ vector_store_id: await id("store") });
const inSession = async () => ({ session_id: await id("delegating") });
const inSubagent = async () => ({ ...(await inSession()), subagent_id: await id("subagent") });
const inVault = async () => ({ vault_id: await id("vault") });
const inEval = async () => ({ eval_id: await id("eval") });

async function read(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  if (events.length < 2) throw new Error("the stream has no events");
  return events;
}

async function submitted() {
  const thread_id = (await client.beta.threads.create({ messages: [{ role: "user", content: "call look_up" }] })).id;
  const tools = [{ type: "function", function: { name: "look_up" } }];
  const asked = { assistant_id: await id("assistant"), tools };
  const run = await client.beta.threads.runs.createAndPoll(thread_id, asked, { pollIntervalMs: 50 });
  const tool_outputs = run.required_action.submit_tool_outputs.tool_calls.map((call) => ({
    tool_call_id: call.id,
    output: "42",
  }));
  return client.beta.threads.runs.submitToolOutputs(run.id, { thread_id, tool_outputs });
}

const { beta } = client;
const { threads } = beta;
const { sessions, vaults } = beta.agents;
const { subagents } = sessions;
const operations = {
  "chat.completions": async () => {
    await read(await client.chat.completions.create({ model, messages, stream: true }));
    return client.chat.completions.create({ model, messages });
  },
  "chat.completions.list": () => client.chat.completions.list({ limit: 2 }),
  "chat.completions.retrieve": async () => client.chat.completions.retrieve(await newId("chat")),
  "chat.completions.update": async () => client.chat.completions.update(await newId("chat"), { metadata: { a: "b" } }),
  "chat.completions.delete": async () => client.chat.completions.delete(await newId("chat")),
  "chat.completions.messages.list": async () => client.chat.completions.messages.list(await newId("chat")),
  completions: async () => {
    await read(await client.completions.create({ model: "gpt-3.5-turbo-instruct", prompt: "Once", stream: true }));
    return client.completions.create({ model: "gpt-3.5-turbo-instruct", prompt: "Once" });
  },
  embeddings: () => client.embeddings.create({ model: "text-embedding-3-small", input: "Once" }),
  responses: async () => {
    await read(await fresh.response({ stream: true }));
    return fresh.response();
  },
  "responses.retrieve": async () => client.responses.retrieve(await id("response")),
  "responses.delete": async () => client.responses.delete(await newId("response")),
  "responses.cancel": async () => client.responses.cancel((await fresh.response({ background: true })).id),
  "responses.input_items.list": async () => client.responses.inputItems.list(await id("response")),
  "responses.input_tokens.count": () => client.responses.inputTokens.count({ model, input: "x" }),
  "responses.compact": async () => client.responses.compact({ model, previous_response_id: await id("response") }),
  decisions: () =>
    client.decisions.create({
      model,
      input: "The harbor is open.",
      questions: [{ type: "predicate", instructions: "Is it open?" }],
    }),
  "conversations.create": () => fresh.conversation(),
  "conversations.retrieve": async () => client.conversations.retrieve(await id("conversation")),
  "conversations.update": async () => client.conversations.update(await id("conversation"), { metadata: { a: "b" } }),
  "conversations.delete": async () => client.conversations.delete(await newId("conversation")),
  "conversations.items.create": () => fresh.item(),
  "conversations.items.list": async () => client.conversations.items.list(await id("conversation")),
  "conversations.items.retrieve": async () =>
    client.conversations.items.retrieve(await newId("item"), { conversation_id: await id("conversation") }),
  "conversations.items.delete": async () =>
    client.conversations.items.delete(await newId("item"), { conversation_id: await id("conversation") }),
  "images.generate": async () => {
    const asked = { model: "gpt-image-1", prompt: "a harbor" };
    await read(await client.images.generate({ ...asked, stream: true, partial_images: 1 }));
    return client.images.generate(asked);
  },
  "images.edit": async () =>
    client.images.edit({ model: "gpt-image-1.5", image: [await png(), await png()], prompt: "brighter" }),
  "images.create_variation": async () => client.images.createVariation({ model: "dall-e-2", image: await png() }),
  "audio.speech": async () => {
    const answer = await client.audio.speech.create({ model: "gpt-4o-mini-tts", voice: "alloy", input: "Hello." });
    return answer.arrayBuffer();
  },
  "audio.transcriptions": async () => {
    const asked = { model: "gpt-4o-transcribe" };
    await read(await client.audio.transcriptions.create({ ...asked, file: await sound(), stream: true }));
    return client.audio.transcriptions.create({ ...asked, file: await sound() });
  },
  "audio.translations": async () => client.audio.translations.create({ model: "whisper-1", file: await sound() }),
  "audio.voices.create": async () =>
    client.audio.voices.create({ name: "mine", audio_sample: await sound(), consent: await id("consent") }),
  "audio.voices.delete": async () => client.audio.voices.delete(await newId("voice")),
  "audio.voice_consents.create": () => fresh.consent(),
  "audio.voice_consents.list": () => client.audio.voiceConsents.list(),
  "audio.voice_consents.retrieve": async () => client.audio.voiceConsents.retrieve(await id("consent")),
  "audio.voice_consents.update": async () => client.audio.voiceConsents.update(await id("consent"), { name: "ours" }),
  "audio.voice_consents.delete": async () => client.audio.voiceConsents.delete(await newId("consent")),
  moderations: () => client.moderations.create({ input: ["a calm text", "violence"] }),
  "files.create": () => fresh.file(),
  "files.list": () => client.files.list({ purpose: "assistants", limit: 2 }),
  "files.retrieve": async () => client.files.retrieve(await id("file")),
  "files.content": async () => (await client.files.content(await id("file"))).text(),
  "files.delete": async () => client.files.delete(await newId("file")),
  "uploads.create": () => fresh.upload(),
  "uploads.parts.create": async () => client.uploads.parts.create(await newId("upload"), { data: await text("12345") }),
  "uploads.complete": async () => {
    const upload = await newId("upload");
    const part = await client.uploads.parts.create(upload, { data: await text("12345") });
    return client.uploads.complete(upload, { part_ids: [part.id] });
  },
  "uploads.cancel": async () => client.uploads.cancel(await newId("upload")),
  "batches.create": () => fresh.batch(),
  "batches.list": () => client.batches.list({ limit: 2 }),
  "batches.retrieve": async () => client.batches.retrieve(await id("batch")),
  "batches.cancel": async () => client.batches.cancel(await newId("batch")),
  "vector_stores.create": () => fresh.store(),
  "vector_stores.list": () => client.vectorStores.list(),
  "vector_stores.retrieve": async () => client.vectorStores.retrieve(await id("store")),
  "vector_stores.update": async () => client.vectorStores.update(await id("store"), { name: "others" }),
  "vector_stores.delete": async () => client.vectorStores.delete(await newId("store")),
  "vector_stores.search": async () => client.vectorStores.search(await id("store"), { query: "harbor" }),
  "vector_stores.files.create": async () =>
    client.vectorStores.files.create(await id("store"), { file_id: await newId("file") }),
  "vector_stores.files.list": async () => client.vectorStores.files.list(await id("store")),
  "vector_stores.files.retrieve": async () => client.vectorStores.files.retrieve(await id("file"), await inStore()),
  "vector_stores.files.update": async () =>
    client.vectorStores.files.update(await id("file"), { ...(await inStore()), attributes: { page: 3 } }),
  "vector_stores.files.delete": async () =>
    client.vectorStores.files.delete(await id("file"), { vector_store_id: await newId("store") }),
  "vector_stores.files.content": async () => client.vectorStores.files.content(await id("file"), await inStore()),
  "vector_stores.file_batches.create": () => fresh.fileBatch(),
  "vector_stores.file_batches.retrieve": async () =>
    client.vectorStores.fileBatches.retrieve(await id("fileBatch"), await inStore()),
  "vector_stores.file_batches.cancel": async () =>
    client.vectorStores.fileBatches.cancel(await id("fileBatch"), await inStore()),
  "vector_stores.file_batches.list_files": async () =>
    client.vectorStores.fileBatches.listFiles(await id("fileBatch"), await inStore()),
  "fine_tuning.jobs.create": () => fresh.job(),
  "fine_tuning.jobs.list": () => client.fineTuning.jobs.list({ limit: 2 }),
  "fine_tuning.jobs.retrieve": async () => client.fineTuning.jobs.retrieve(await newId("job")),
  "fine_tuning.jobs.cancel": async () => client.fineTuning.jobs.cancel(await newId("job")),
  "fine_tuning.jobs.pause": async () => client.fineTuning.jobs.pause(await newId("job")),
  "fine_tuning.jobs.resume": async () => {
    const job = await newId("job");
    await client.fineTuning.jobs.pause(job);
    return client.fineTuning.jobs.resume(job);
  },
  "fine_tuning.jobs.list_events": async () => client.fineTuning.jobs.listEvents(await newId("job")),
  "fine_tuning.jobs.checkpoints.list": async () => client.fineTuning.jobs.checkpoints.list(await newId("job")),
  "fine_tuning.alpha.graders.run": () =>
    client.fineTuning.alpha.graders.run({ grader, model_sample: "42", item: { expected: "42" } }),
  "fine_tuning.alpha.graders.validate": () => client.fineTuning.alpha.graders.validate({ grader }),
  "assistants.create": () => fresh.assistant(),
  "assistants.list": () => beta.assistants.list(),
  "assistants.retrieve": async () => beta.assistants.retrieve(await id("assistant")),
  "assistants.update": async () => beta.assistants.update(await id("assistant"), { name: "other" }),
  "assistants.delete": async () => beta.assistants.delete(await newId("assistant")),
  "threads.create": () => fresh.thread(),
  "threads.retrieve": async () => threads.retrieve(await id("thread")),
  "threads.update": async () => threads.update(await id("thread"), { metadata: { a: "b" } }),
  "threads.delete": async () => threads.delete(await newId("thread")),
  "threads.messages.create": () => fresh.message(),
  "threads.messages.list": async () => threads.messages.list(await id("thread")),
  "threads.messages.retrieve": async () =>
    threads.messages.retrieve(await newId("message"), { thread_id: await id("thread") }),
  "threads.messages.update": async () =>
    threads.messages.update(await newId("message"), { thread_id: await id("thread"), metadata: { a: "b" } }),
  "threads.messages.delete": async () =>
    threads.messages.delete(await newId("message"), { thread_id: await id("thread") }),
  "threads.runs.create": async () => {
    const asked = { assistant_id: await id("assistant") };
    await read(await threads.runs.create(await newId("thread"), { ...asked, stream: true }));
    return threads.runs.create(await newId("thread"), asked);
  },
  "threads.create_and_run": async () =>
    threads.createAndRun({ assistant_id: await id("assistant"), thread: { messages } }),
  "threads.runs.list": async () => threads.runs.list((await made("run")).thread_id),
  "threads.runs.retrieve": async () => threads.runs.retrieve(await id("run"), await inRun()),
  "threads.runs.update": async () =>
    threads.runs.update(await id("run"), { ...(await inRun()), metadata: { a: "b" } }),
  "threads.runs.cancel": async () => {
    const run = await threads.runs.create(await newId("thread"), { assistant_id: await id("assistant") });
    return threads.runs.cancel(run.id, { thread_id: run.thread_id });
  },
  "threads.runs.submit_tool_outputs": submitted,
  "threads.runs.steps.list": async () => threads.runs.steps.list(await id("run"), await inRun()),
  "threads.runs.steps.retrieve": async () => {
    const steps = await threads.runs.steps.list(await id("run"), await inRun());
    return threads.runs.steps.retrieve(steps.data[0].id, { ...(await inRun()), run_id: await id("run") });
  },
  "containers.create": () => fresh.container(),
  "containers.list": () => client.containers.list(),
  "containers.retrieve": async () => client.containers.retrieve(await id("container")),
  "containers.delete": async () => client.containers.delete(await newId("container")),
  "containers.files.create": () => fresh.containerFile(),
  "containers.files.list": async () => client.containers.files.list(await id("container")),
  "containers.files.retrieve": async () =>
    client.containers.files.retrieve(await id("containerFile"), { container_id: await id("container") }),
  "containers.files.delete": async () =>
    client.containers.files.delete(await newId("containerFile"), { container_id: await id("container") }),
  "containers.files.content": async () => {
    const within = { container_id: await id("container") };
    return (await client.containers.files.content.retrieve(await id("containerFile"), within)).text();
  },
  "evals.create": () => fresh.eval(),
  "evals.list": () => client.evals.list(),
  "evals.retrieve": async () => client.evals.retrieve(await id("eval")),
  "evals.update": async () => client.evals.update(await id("eval"), { name: "other" }),
  "evals.delete": async () => client.evals.delete(await newId("eval")),
  "evals.runs.create": () => fresh.evalRun(),
  "evals.runs.list": async () => client.evals.runs.list(await id("eval")),
  "evals.runs.retrieve": async () => client.evals.runs.retrieve(await id("evalRun"), await inEval()),
  "evals.runs.cancel": async () =>
    client.evals.runs.cancel((await fresh.evalRun("ready-after=5")).id, await inEval()),
  "evals.runs.delete": async () => client.evals.runs.delete(await newId("evalRun"), await inEval()),
  "evals.runs.output_items.list": async () => client.evals.runs.outputItems.list(await id("evalRun"), await inEval()),
  "evals.runs.output_items.retrieve": async () => {
    const items = await client.evals.runs.outputItems.list(await id("evalRun"), await inEval());
    const within = { ...(await inEval()), run_id: await id("evalRun") };
    return client.evals.runs.outputItems.retrieve(items.data[0].id, within);
  },
  "videos.create": async () =>
    client.videos.create({ model: "sora-2", prompt: "a harbor", seconds: "4", input_reference: await png() }),
  "videos.list": () => client.videos.list(),
  "videos.retrieve": async () => client.videos.retrieve(await id("video")),
  "videos.delete": async () => client.videos.delete(await newId("video")),
  "videos.download_content": async () => (await client.videos.downloadContent(await id("video"))).arrayBuffer(),
  "videos.remix": async () => client.videos.remix(await id("video"), { prompt: "by night" }),
  "videos.edit": async () => client.videos.edit({ video: await film(), prompt: "by night" }),
  "videos.extend": async () => client.videos.extend({ video: await film(), prompt: "on", seconds: "8" }),
  "videos.create_character": () => fresh.character(),
  "videos.get_character": async () => client.videos.getCharacter(await id("character")),
  "realtime.client_secrets.create": () =>
    client.realtime.clientSecrets.create({ session: { type: "realtime", model: "gpt-realtime" } }),
  "realtime.sessions.create": () => beta.realtime.sessions.create({ model: "gpt-4o-realtime-preview" }),
  "realtime.transcription_sessions.create": () =>
    beta.realtime.transcriptionSessions.create({ input_audio_transcription: { model: "gpt-4o-transcribe" } }),
  "skills.create": () => fresh.skill(),
  "skills.list": () => client.skills.list(),
  "skills.retrieve": async () => client.skills.retrieve(await id("skill")),
  "skills.update": async () => client.skills.update(await id("skill"), { default_version: "1" }),
  "skills.delete": async () => client.skills.delete(await newId("skill")),
  "skills.content.retrieve": async () => (await client.skills.content.retrieve(await id("skill"))).arrayBuffer(),
  "skills.versions.create": async () => client.skills.versions.create(await id("skill"), { files: [await manual()] }),
  "skills.versions.list": async () => client.skills.versions.list(await id("skill")),
  "skills.versions.retrieve": async () => client.skills.versions.retrieve("1", { skill_id: await id("skill") }),
  "skills.versions.delete": async () => client.skills.versions.delete("1", { skill_id: await newId("skill") }),
  "skills.versions.content.retrieve": async () =>
    (await client.skills.versions.content.retrieve("1", { skill_id: await id("skill") })).arrayBuffer(),
  "agents.create": () => fresh.agent(),
  "agents.list": () => beta.agents.list(),
  "agents.retrieve": async () => beta.agents.retrieve(await id("agent")),
  "agents.update": async () => beta.agents.update(await id("agent"), { instructions: "Be brief." }),
  "agents.delete": async () => beta.agents.delete(await newId("agent")),
  "agents.sessions.create": () => fresh.session(),
  "agents.sessions.list": async () => sessions.list({ agent_id: await id("agent") }),
  "agents.sessions.retrieve": async () => sessions.retrieve(await id("session")),
  "agents.sessions.update": async () => sessions.update(await id("session"), { metadata: { of: "tests" } }),
  "agents.sessions.delete": async () => sessions.delete(await newId("session")),
  "agents.sessions.events.create": async () => {
    const input = [{ role: "user", content: [{ type: "input_text", text: "write 5 tokens" }] }];
    const events = [{ type: "agent.session.input.message", input }];
    return sessions.events.create(await id("session"), { events }, atOnce);
  },
  "agents.sessions.events.stream": async () => sessions.events.stream(await id("session"), {}, atOnce),
  "agents.sessions.items.list": async () => sessions.items.list(await id("delegating")),
  "agents.sessions.turns.list": async () => sessions.turns.list(await id("delegating")),
  "agents.sessions.turns.retrieve": async () => sessions.turns.retrieve(await id("turn"), await inSession()),
  "agents.sessions.turns.items.list": async () => sessions.turns.items.list(await id("turn"), await inSession()),
  "agents.sessions.subagents.list": async () => subagents.list(await id("delegating")),
  "agents.sessions.subagents.retrieve": async () => subagents.retrieve(await id("subagent"), await inSession()),
  "agents.sessions.subagents.items.list": async () => subagents.items.list(await id("subagent"), await inSession()),
  "agents.sessions.subagents.turns.list": async () => subagents.turns.list(await id("subagent"), await inSession()),
  "agents.sessions.subagents.turns.retrieve": async () =>
    subagents.turns.retrieve(await id("subagentTurn"), await inSubagent()),
  "agents.sessions.subagents.turns.items.list": async () =>
    subagents.turns.items.list(await id("subagentTurn"), await inSubagent()),
  "agents.sessions.traces.list": async () => sessions.traces.list(await id("delegating")),
  "agents.vaults.create": () => fresh.vault(),
  "agents.vaults.list": () => vaults.list(),
  "agents.vaults.retrieve": async () => vaults.retrieve(await id("vault")),
  "agents.vaults.update": async () => vaults.update(await id("vault"), { name: "other" }),
  "agents.vaults.delete": async () => vaults.delete(await newId("vault")),
  "agents.vaults.credentials.create": () => fresh.credential(),
  "agents.vaults.credentials.list": async () => vaults.credentials.list(await id("vault")),
  "agents.vaults.credentials.retrieve": async () => vaults.credentials.retrieve(await id("credential"), await inVault()),
  "agents.vaults.credentials.update": async () =>
    vaults.credentials.update(await id("credential"), { ...(await inVault()), metadata: { of: "tests" } }),
  "agents.vaults.credentials.delete": async () => vaults.credentials.delete(await newId("credential"), await inVault()),
  content_provenance_checks: async () => client.contentProvenanceChecks.create({ file: await png() }),
  "models.list": () => client.models.list(),
  "models.retrieve": () => client.models.retrieve(model),
};

const told = {};
for (const [name, call] of Object.entries(operations)) {
  try {
    await call();
    told[name] = null;
  } catch (error) {
    told[name] = `${error.name}: ${error.message}`;
  }
}
process.stdout.write(JSON.stringify(told));
