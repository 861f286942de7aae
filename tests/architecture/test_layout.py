from pathlib import Path

from tests.architecture.repository import ROOT, package_modules

TESTED_ELSEWHERE = {
    "__main__.py": "one line; test_imports.py runs it",
    "interfaces.py": "Protocols only; the type checker and tests/contracts hold them",
    "types.py": "values without behaviour; whoever makes them tests them",
    "events.py": "values without behaviour; tests/trace/test_records.py writes and reads each kind",
    "errors.py": "the tree only; every raise is tested where it is raised",
    "bench/target.py": "tests/bench/test_worker_trial.py, test_profile_trial.py open models by it",
    "cli/doctor_machine.py": "tests/cli/test_doctor.py: the whole report of this machine",
    "cli/not_yet.py": "four commands that say so; tests/cli/test_main.py runs them",
    "cli/standard_input.py": "a pipe with a reader; tests/cli/test_ask.py reads and interrupts it",
    "context/assembly.py": "tests/context/test_mapped_file.py opens every kind of input through it",
    "context/text_reader.py": "tests/context/test_mapped_file.py reads by characters through it",
    "context/transcription.py": "tests/context/test_encodings.py converts and refuses through it",
    "engine/batch_items.py": "tests/engine/test_scheduler.py reads every item's record",
    "engine/places.py": "tests/engine/test_server_queue.py: a place is nothing without its queue",
    "engine/known_results.py": "tests/engine/test_resuming.py: from disk, trace, both",
    "engine/recording.py": "tests/engine/test_resuming.py cuts runs after every event of them",
    "engine/direct.py": "tests/engine/test_loop.py: the tests of mode direct and auto",
    "engine/models.py": "values; tests/engine/test_subcalls.py cuts prompts to the room it tells",
    "engine/question_rules.py": "tests/engine/test_question_kinds.py: questions for every rule",
    "engine/root_call.py": "tests/engine/test_loop.py: retries, limits and deadlines of the root",
    "engine/run_state.py": "values of a run; tests/engine/test_loop.py drives runs through them",
    "engine/turn.py": "tests/engine/test_loop.py takes every kind of turn",
    "planner/alternatives.py": "tests/planner/test_verdicts.py: what would fit instead",
    "planner/corrections.py": "tests/planner/test_reconcile.py and test_knowledge.py",
    "planner/overheads.py": "tests/planner/test_layout.py: what a plan leaves free",
    "planner/server_placement.py": "values; tests/planner/test_layout.py makes them",
    "planner/wishes.py": "tests/planner/test_layout.py: what a stack asks for, part by part",
    "cli/plan_table.py": "tests/cli/test_plan.py prints it",
    "session/inputs.py": "tests/session/test_rlm.py names every kind of input and question",
    "sandbox/zygote_process.py": "tests/sandbox/test_zygote_pool.py starts, kills and replaces it",
    "sandbox/child/allowed_calls.py": "tests/sandbox/test_seccomp.py: every call and rule of it",
    "sandbox/child/answers.py": "tests/sandbox/test_toolbox.py: every spelling of FINAL, in a REPL",
    "sandbox/child/documents.py": "tests/sandbox/test_finding.py and test_toolbox.py",
    "sandbox/child/failures.py": "tests/sandbox/test_typed_cells.py: raised, and in a batch",
    "sandbox/child/hits.py": "tests/sandbox/test_finding.py",
    "sandbox/child/identity.py": "tests/sandbox/attacks/test_layers.py: with it, and without",
    "sandbox/child/interrupts.py": "tests/sandbox/test_worker_process.py interrupts real cells",
    "sandbox/child/landlock.py": "tests/sandbox/attacks/test_layers.py: with it, and without",
    "sandbox/child/launcher.py": "tests/sandbox/test_zygote_pool.py kills it; test_scratch.py",
    "sandbox/child/link.py": "tests/sandbox/test_toolbox.py: threads, long texts, refusals",
    "sandbox/child/lockdown.py": "tests/sandbox/attacks/test_layers.py: with it, and without",
    "sandbox/child/namespaces.py": "tests/sandbox/attacks/test_layers.py: with it, and without",
    "sandbox/child/rehearsal.py": "tests/sandbox/attacks/test_kernels.py: every simulated kernel",
    "sandbox/child/reply_shapes.py": "tests/sandbox/test_reply_types.py: every type, and back",
    "sandbox/child/self_probe.py": "tests/sandbox/test_outside_check.py: what it finds",
    "sandbox/child/subcalls.py": "tests/sandbox/test_toolbox.py: queries, batches, child runs",
    "sandbox/child/syscalls.py": "numbers and calls; tests/sandbox/attacks/ makes them",
    "serving/guardian_orders.py": "tests/serving/test_guardian.py: orders come back",
    "serving/health.py": "tests/serving/test_guardian.py: servers that are ready, sick or silent",
    "serving/process_tree.py": "tests/serving/test_guardian.py ends trees with orphans",
    "serving/file_lock.py": "tests/serving/test_server_records.py: one start at a time",
    "serving/server_state.py": "values; tests/serving/test_guardian.py waits for each",
    "serving/servers_in_use.py": "tests/serving/test_server_records.py: the last one out",
    "session/after_start.py": "tests/session/test_servers.py: what a start teaches",
    "session/server_status.py": "tests/cli/test_servers.py: status of what is up",
    "cli/durations.py": "tests/cli/test_server_lines.py",
    "cli/log_tail.py": "tests/cli/test_servers.py: a log that is followed",
    "serving/index_builder.py": "tests/serving/test_compiled_constraints.py builds by it",
    "serving/transformers_prefix.py": "tests/serving/test_transformers_model.py: later root turns",
    "serving/transformers_runner.py": "tests/serving/test_transformers_model.py runs batches",
    "serving/transformers_scores.py": "tests/serving/test_transformers_model.py: scored choices",
    "serving/transformers_stops.py": "tests/serving/test_transformers_model.py: where replies end",
}


def _test_files_of(module: Path) -> list[Path]:
    folder = ROOT / "tests" / (module.parts[0] if len(module.parts) > 1 else "")
    names = folder.rglob if len(module.parts) > 1 else folder.glob
    return [*names(f"test_{module.stem}.py"), *names(f"test_{module.stem}_*.py")]


def test_every_module_has_its_test_file_or_a_reason() -> None:
    lacking = [
        str(module)
        for module in package_modules()
        if str(module) not in TESTED_ELSEWHERE and not _test_files_of(module)
    ]
    assert not lacking


def test_a_reason_is_given_only_where_a_test_file_is_lacking() -> None:
    for name in TESTED_ELSEWHERE:
        module = Path(name)
        assert module in package_modules()
        assert not _test_files_of(module)


def test_every_folder_of_tests_is_a_package() -> None:
    tests = ROOT / "tests"
    folders = {path.parent for path in tests.rglob("*.py")}
    assert [
        str(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()
    ] == []
