"""Every operation of the surface as a call of the stock SDK, by the name that it has in the SDK.

Whoever has a client can walk them: an operation makes what it needs first, and returns the SDK's object (of a list the first
page). `Made` shares what was made between the operations of one client.
"""

from tests.simulators.operations.agents import AGENTS
from tests.simulators.operations.jobs import EVALS, FINE_TUNING
from tests.simulators.operations.made import AT_ONCE, MANUAL, MODEL, PICTURE, SOUND, Made, Operation, wav
from tests.simulators.operations.media import AUDIO, IMAGES, VIDEOS
from tests.simulators.operations.storage import CONTAINERS, FILES, SKILLS, VECTOR_STORES
from tests.simulators.operations.talk import ASSISTANTS, CHAT, REALTIME, RESPONSES

__all__ = [
    "AT_ONCE",
    "MANUAL",
    "MODEL",
    "OPERATIONS",
    "PICTURE",
    "SOUND",
    "WIDER_THAN_ITS_TYPE",
    "Made",
    "Operation",
    "wav",
]

OPERATIONS: dict[str, Operation] = {
    **CHAT,
    **RESPONSES,
    **REALTIME,
    **ASSISTANTS,
    **FILES,
    **VECTOR_STORES,
    **CONTAINERS,
    **SKILLS,
    **IMAGES,
    **AUDIO,
    **VIDEOS,
    **FINE_TUNING,
    **EVALS,
    **AGENTS,
}

WIDER_THAN_ITS_TYPE = (
    # The provider lists what the user said, too, and the SDK's types know answers alone.
    "chat.completions.messages.list",
    "responses.compact",
    # Azure's models have a shape of their own.
    "models.list",
    "models.retrieve",
    # A job that waits is told as such, and an error that there is none of as null.
    "fine_tuning.jobs.pause",
    "fine_tuning.jobs.list",
    "evals.runs.create",
    "evals.runs.list",
    "evals.runs.retrieve",
    "evals.runs.cancel",
    "evals.runs.output_items.list",
    "evals.runs.output_items.retrieve",
)
