"""Images, sound and films."""

from tests.simulators.operations.made import PICTURE, SOUND, Operation

IMAGES: dict[str, Operation] = {
    "images.generate": lambda client, made: client.images.generate(model="gpt-image-1", prompt="a harbor"),
    "images.edit": lambda client, made: client.images.edit(
        model="gpt-image-1.5", image=[("a.png", PICTURE), ("b.png", PICTURE)], prompt="brighter"
    ),
    "images.create_variation": lambda client, made: client.images.create_variation(
        model="dall-e-2", image=("a.png", PICTURE), response_format="b64_json"
    ),
}
AUDIO: dict[str, Operation] = {
    "audio.speech": lambda client, made: client.audio.speech.create(
        model="gpt-4o-mini-tts", voice="alloy", input="Hello."
    ),
    "audio.transcriptions": lambda client, made: client.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=("a.wav", SOUND)
    ),
    "audio.translations": lambda client, made: client.audio.translations.create(
        model="whisper-1", file=("a.wav", SOUND)
    ),
    "audio.voices.create": lambda client, made: client.audio.voices.create(
        name="mine", audio_sample=("a.wav", SOUND), consent=made.voice_consent
    ),
    "audio.voices.delete": lambda client, made: client.audio.voices.delete(
        client.audio.voices.create(name="mine", type="prompt", prompt="a calm voice").id
    ),
    "audio.voice_consents.create": lambda client, made: client.audio.voice_consents.create(
        name="mine", language="en-US", recording=("a.wav", SOUND)
    ),
    "audio.voice_consents.list": lambda client, made: client.audio.voice_consents.list(),
    "audio.voice_consents.retrieve": lambda client, made: client.audio.voice_consents.retrieve(made.voice_consent),
    "audio.voice_consents.update": lambda client, made: client.audio.voice_consents.update(
        made.voice_consent, name="ours"
    ),
    "audio.voice_consents.delete": lambda client, made: client.audio.voice_consents.delete(made.new_voice_consent()),
    "moderations": lambda client, made: client.moderations.create(input=["a calm text", "violence"]),
    "content_provenance_checks": lambda client, made: client.content_provenance_checks.create(file=("a.png", PICTURE)),
}
VIDEOS: dict[str, Operation] = {
    "videos.create": lambda client, made: client.videos.create(
        prompt="a harbor", seconds="4", input_reference=("a.png", PICTURE)
    ),
    "videos.list": lambda client, made: client.videos.list(),
    "videos.retrieve": lambda client, made: client.videos.retrieve(made.video),
    "videos.delete": lambda client, made: client.videos.delete(client.videos.create(prompt="x").id),
    "videos.download_content": lambda client, made: client.videos.download_content(made.video),
    "videos.remix": lambda client, made: client.videos.remix(made.video, prompt="by night"),
    "videos.edit": lambda client, made: client.videos.edit(video=("a.mp4", b"mp4"), prompt="by night"),
    "videos.extend": lambda client, made: client.videos.extend(video=("a.mp4", b"mp4"), prompt="on", seconds="8"),
    "videos.create_character": lambda client, made: client.videos.create_character(
        name="sailor", video=("a.mp4", b"mp4")
    ),
    "videos.get_character": lambda client, made: client.videos.get_character(made.character),
}
