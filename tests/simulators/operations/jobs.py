"""What is made in the provider's own time: models, evals."""

from tests.simulators.operations.made import GRADER, Operation

FINE_TUNING: dict[str, Operation] = {
    "fine_tuning.jobs.create": lambda client, made: client.fine_tuning.jobs.create(
        model="gpt-4o-mini", training_file=made.training_file, suffix="mine"
    ),
    "fine_tuning.jobs.list": lambda client, made: client.fine_tuning.jobs.list(limit=2),
    "fine_tuning.jobs.retrieve": lambda client, made: client.fine_tuning.jobs.retrieve(made.new_job()),
    "fine_tuning.jobs.cancel": lambda client, made: client.fine_tuning.jobs.cancel(made.new_job()),
    "fine_tuning.jobs.pause": lambda client, made: client.fine_tuning.jobs.pause(made.new_job()),
    "fine_tuning.jobs.resume": lambda client, made: client.fine_tuning.jobs.resume(made.new_paused_job()),
    "fine_tuning.jobs.list_events": lambda client, made: client.fine_tuning.jobs.list_events(made.new_job()),
    "fine_tuning.jobs.checkpoints.list": lambda client, made: client.fine_tuning.jobs.checkpoints.list(made.new_job()),
    "fine_tuning.alpha.graders.run": lambda client, made: client.fine_tuning.alpha.graders.run(
        grader=GRADER, model_sample="42", item={"expected": "42"}
    ),
    "fine_tuning.alpha.graders.validate": lambda client, made: client.fine_tuning.alpha.graders.validate(grader=GRADER),
}
EVALS: dict[str, Operation] = {
    "evals.create": lambda client, made: client.evals.retrieve(made.new_eval()),
    "evals.list": lambda client, made: client.evals.list(),
    "evals.retrieve": lambda client, made: client.evals.retrieve(made.evaluation),
    "evals.update": lambda client, made: client.evals.update(made.evaluation, name="other"),
    "evals.delete": lambda client, made: client.evals.delete(made.new_eval()),
    "evals.runs.create": lambda client, made: client.evals.runs.retrieve(made.new_eval_run(), eval_id=made.evaluation),
    "evals.runs.list": lambda client, made: client.evals.runs.list(made.evaluation),
    "evals.runs.retrieve": lambda client, made: client.evals.runs.retrieve(made.eval_run, eval_id=made.evaluation),
    "evals.runs.cancel": lambda client, made: client.evals.runs.cancel(
        made.new_eval_run("ready-after=5"), eval_id=made.evaluation
    ),
    "evals.runs.delete": lambda client, made: client.evals.runs.delete(made.new_eval_run(), eval_id=made.evaluation),
    "evals.runs.output_items.list": lambda client, made: client.evals.runs.output_items.list(
        made.eval_run, eval_id=made.evaluation
    ),
    "evals.runs.output_items.retrieve": lambda client, made: client.evals.runs.output_items.retrieve(
        made.output_item, eval_id=made.evaluation, run_id=made.eval_run
    ),
}
