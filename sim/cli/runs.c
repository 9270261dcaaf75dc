#include "cli/runs.h"

#include "cli/command.h"
#include "engine/memory.h"
#include "host/core.h"
#include "replay/recording.h"
#include "world/report.h"
#include "world/verdict.h"

#include "quic/library.h"

#include "commit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct session {
    const struct sim_runs *runs;
    struct qe_tls_library *tls;
};

static enum sim_jobs_next next(void *user)
{
    const struct session *s = user;
    return s->runs->next(s->runs->user);
}

static struct sim_planned planned(const struct session *s, size_t index)
{
    return sim_plan_run(&s->runs->plan, sim_shard_run(s->runs->shard, index));
}

static void report(const struct sim_scenario *scenario, uint64_t seed, const struct sim_result *result,
    uint64_t wall_us, struct sim_job_output *out)
{
    out->wall_us = wall_us;
    out->text = sim_report_text(scenario, seed, result);
    out->json = sim_report_json(scenario, seed, result, wall_us / 1000, QE_COMMIT);
    out->verdict = (int)result->verdict;
}

static void run_one(void *user, size_t index, struct sim_job_output *out)
{
    const struct session *s = user;
    struct sim_planned which = planned(s, index);
    struct sim_template *template = s->runs->templates[which.file];
    uint64_t began_us = sim_wall_clock_us();
    char error[SIM_ERROR_SIZE];
    struct sim_result result;
    struct sim_scenario *scenario = sim_template_expand(template, which.seed, error);
    if (!scenario) {
        sim_verdict_refused(&result, error);
        report(sim_template_face(template), which.seed, &result, 0, out);
        return;
    }
    struct sim_outputs *outputs = NULL;
    if (s->runs->outputs && !(outputs = sim_outputs_open(s->runs->outputs, scenario, which.seed))) exit(SIM_EXIT_USAGE);
    struct sim_run_options run = {.scenario = scenario,
        .seed = which.seed,
        .lanes = s->runs->lanes,
        .measures = s->runs->measures,
        .messages = outputs && s->runs->outputs->messages,
        .sample_ns = outputs ? s->runs->outputs->sample_ns : 0,
        .sinks = outputs ? sim_outputs_sinks(outputs) : NULL,
        .core = s->runs->record ? &sim_core_recorder : &sim_core_node,
        .recording = s->runs->record,
        .tls = s->tls};
    sim_run(&run, &result);
    if (s->runs->record && s->runs->record->error[0]) {
        fprintf(stderr, "quicether-sim: %s\n", s->runs->record->error);
        exit(SIM_EXIT_USAGE);
    }
    if (outputs && sim_outputs_close(outputs, &result) != 0) exit(SIM_EXIT_USAGE);
    report(scenario, which.seed, &result, sim_wall_clock_us() - began_us, out);
    sim_result_fini(&result);
    sim_scenario_free(scenario);
}

// A run whose process died or hung has a result all the same.
static void report_death(
    const struct session *s, const struct sim_planned *which, int signal, struct sim_job_output *out)
{
    struct sim_result result;
    bool hung = signal == SIM_JOB_OVERRAN;
    if (hung)
        sim_verdict_hung(&result);
    else
        sim_verdict_died(&result, signal);
    report(sim_template_face(s->runs->templates[which->file]), which->seed, &result,
        hung ? s->runs->limit_ms * 1000 : 0, out);
}

static void take(void *user, size_t index, const struct sim_job_output *out, int signal)
{
    const struct session *s = user;
    struct sim_planned which = planned(s, index);
    struct sim_job_output dead = {0};
    if (!out->text) {
        report_death(s, &which, signal, &dead);
        out = &dead;
    }
    struct sim_run_report report = {
        which.file, which.seed, (enum sim_verdict)out->verdict, out->wall_us, out->text, out->json};
    s->runs->done(s->runs->user, &report);
    free(dead.text);
    free(dead.json);
}

// Where an output cannot be written, it is better said before a run than by each.
static bool outputs_work(const struct sim_runs *runs)
{
    if (!runs->outputs) return true;
    struct sim_outputs *outputs =
        sim_outputs_open(runs->outputs, sim_template_face(runs->templates[0]), runs->plan.seeds.first);
    return outputs && sim_outputs_close(outputs, NULL) == 0;
}

int sim_runs_do(const struct sim_runs *runs)
{
    if (!outputs_work(runs)) return SIM_EXIT_USAGE;
    struct session session = {.runs = runs, .tls = qe_tls_library_new()};
    struct sim_jobs jobs = {.user = &session,
        .run = run_one,
        .done = take,
        .next = runs->next ? next : NULL,
        .runs_a_process = runs->runs_a_process,
        .limit_ms = runs->limit_ms};
    if (!session.tls) {
        fputs("quicether-sim: OpenSSL cannot be set up\n", stderr);
        return SIM_EXIT_FAIL;
    }
    int64_t done = sim_jobs_run(&jobs, (size_t)sim_shard_count(&runs->plan, runs->shard), runs->jobs);
    if (done < 0) fprintf(stderr, "quicether-sim: cannot start a run: %s\n", strerror(errno));
    qe_tls_library_free(session.tls);
    return done < 0 ? SIM_EXIT_FAIL : SIM_EXIT_PASS;
}
