// Runs in processes of their own.
#include "unit.h"
#include "world/jobs.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUNS 40

static struct {
    size_t count;
    bool in_order;
    int signals[RUNS];
    bool died[RUNS];
    size_t text_size[RUNS];
    int verdicts[RUNS];
} seen;

static unsigned touched; // by runs: only in their own processes

static char *text_of(size_t size, char letter)
{
    char *text = malloc(size + 1);
    memset(text, letter, size);
    text[size] = '\0';
    return text;
}

// Later runs are quicker, so that they end first. 7 dies of a signal, 9 leaves without a word, 11 says a lot.
static void run(void *user, size_t index, struct sim_job_output *out)
{
    (void)user;
    touched++;
    if (index < 4) usleep((useconds_t)(4 - index) * 20000);
    if (index == 7) raise(SIGKILL);
    if (index == 9) _exit(5);
    out->text = text_of(index == 11 ? 3 << 20 : index, 't');
    out->json = text_of(index, 'j');
    out->verdict = touched == 1 ? (int)index : -1; // a verdict other than 0 is of a fresh process
}

static void done(void *user, size_t index, const struct sim_job_output *out, int signal)
{
    (void)user;
    seen.in_order = seen.in_order && index == seen.count;
    seen.signals[index] = signal;
    seen.died[index] = !out->text;
    seen.text_size[index] = out->text ? strlen(out->text) : 0;
    seen.verdicts[index] = out->verdict;
    seen.count++;
}

static void play(unsigned parallel, unsigned runs_a_process)
{
    struct sim_jobs jobs = {.run = run, .done = done, .runs_a_process = runs_a_process};
    memset(&seen, 0, sizeof(seen));
    seen.in_order = true;
    CU_ASSERT_EQUAL(sim_jobs_run(&jobs, RUNS, parallel), RUNS);
    CU_ASSERT_EQUAL(seen.count, RUNS);
    CU_ASSERT_TRUE(seen.in_order);
    for (size_t i = 0; i < RUNS; i++) {
        bool dies = i == 7 || i == 9;
        CU_ASSERT_EQUAL(seen.died[i], dies);
        CU_ASSERT_EQUAL(seen.signals[i], i == 7 ? SIGKILL : 0);
        CU_ASSERT_EQUAL(seen.text_size[i], dies ? 0 : i == 11 ? 3 << 20 : i);
        if (!dies) CU_ASSERT_EQUAL(seen.verdicts[i], (int)i);
    }
}

static void results_come_in_order_however_many_run_at_a_time(void)
{
    play(1, 1);
    play(2, 1);
    play(5, 1);
    play(100, 1);
}

// Every run but the first has a verdict of its own here, or dies: all are done again in a process that did none before.
static void what_goes_wrong_is_done_again_in_a_fresh_process(void)
{
    play(1, 3);
    play(2, 100);
    play(7, 0);
}

static pid_t pids[RUNS];

static void run_well(void *user, size_t index, struct sim_job_output *out)
{
    (void)user;
    (void)index;
    out->text = text_of(1, 't');
    out->json = text_of(1, 'j');
    out->wall_us = (uint64_t)getpid();
}

static void note_pid(void *user, size_t index, const struct sim_job_output *out, int signal)
{
    (void)user;
    CU_ASSERT_EQUAL(signal, 0);
    pids[index] = (pid_t)out->wall_us;
}

static void a_process_does_as_many_runs_as_it_may(void)
{
    struct sim_jobs jobs = {.run = run_well, .done = note_pid, .runs_a_process = 4};
    CU_ASSERT_EQUAL(sim_jobs_run(&jobs, RUNS, 1), RUNS);
    for (size_t i = 0; i < RUNS; i++) {
        CU_ASSERT_EQUAL(pids[i], pids[i / 4 * 4]);
        if (i >= 4) CU_ASSERT_NOT_EQUAL(pids[i], pids[i - 4]);
    }
}

// Ends badly after all its runs went well, as a sanitizer does that found a leak.
static void run_into_a_bad_end(void *user, size_t index, struct sim_job_output *out)
{
    run_well(user, index, out);
    if (index == 2) atexit(abort);
}

static void a_bad_end_is_that_of_the_last_run(void)
{
    struct sim_jobs jobs = {.run = run_into_a_bad_end, .done = done, .runs_a_process = 4};
    memset(&seen, 0, sizeof(seen));
    CU_ASSERT_EQUAL(sim_jobs_run(&jobs, 8, 1), 8);
    CU_ASSERT_FALSE(seen.died[2]);
    CU_ASSERT_FALSE(seen.died[7]);
    // Run 3 is done again in a process of its own, which ends well.
    CU_ASSERT_FALSE(seen.died[3]);
    jobs.runs_a_process = 1;
    memset(&seen, 0, sizeof(seen));
    CU_ASSERT_EQUAL(sim_jobs_run(&jobs, 8, 2), 8);
    for (size_t i = 0; i < 8; i++)
        CU_ASSERT_EQUAL(seen.died[i], i == 2);
    CU_ASSERT_EQUAL(seen.signals[2], SIGABRT);
}

static void run_forever(void *user, size_t index, struct sim_job_output *out)
{
    if (index % 3 == 1)
        for (;;)
            pause();
    run_well(user, index, out);
}

static void what_hangs_is_ended_and_said_to_have(void)
{
    for (unsigned runs_a_process = 1; runs_a_process < 10; runs_a_process += 8) {
        struct sim_jobs jobs = {.run = run_forever, .done = done, .runs_a_process = runs_a_process, .limit_ms = 300};
        memset(&seen, 0, sizeof(seen));
        seen.in_order = true;
        CU_ASSERT_EQUAL(sim_jobs_run(&jobs, 6, 2), 6);
        CU_ASSERT_TRUE(seen.in_order);
        for (size_t i = 0; i < 6; i++) {
            CU_ASSERT_EQUAL(seen.died[i], i % 3 == 1);
            CU_ASSERT_EQUAL(seen.signals[i], i % 3 == 1 ? SIM_JOB_OVERRAN : 0);
        }
    }
}

static enum sim_jobs_next no_more_after_ten(void *user)
{
    (void)user;
    return seen.count < 10 ? SIM_JOBS_GO_ON : SIM_JOBS_START_NO_MORE;
}

static enum sim_jobs_next stop_after_ten(void *user)
{
    (void)user;
    return seen.count < 10 ? SIM_JOBS_GO_ON : SIM_JOBS_STOP;
}

static void they_end_when_told_to(void)
{
    struct sim_jobs jobs = {.run = run_well, .done = done, .next = no_more_after_ten, .runs_a_process = 5};
    memset(&seen, 0, sizeof(seen));
    CU_ASSERT_EQUAL(sim_jobs_run(&jobs, RUNS, 1), 10);
    CU_ASSERT_EQUAL(seen.count, 10);
    memset(&seen, 0, sizeof(seen));
    int64_t count = sim_jobs_run(&jobs, RUNS, 3); // and those that had been started
    CU_ASSERT(count >= 10);
    CU_ASSERT_EQUAL((size_t)count, seen.count);
    jobs.next = stop_after_ten;
    memset(&seen, 0, sizeof(seen));
    CU_ASSERT_EQUAL(sim_jobs_run(&jobs, RUNS, 3), 10);
    CU_ASSERT_EQUAL(seen.count, 10);
}

static void nothing_to_do_is_done(void)
{
    struct sim_jobs jobs = {.run = run, .done = done};
    CU_ASSERT_EQUAL(sim_jobs_run(&jobs, 0, 3), 0);
}

static const struct unit_case cases[] = {
    {"results come in order, however many run at a time", results_come_in_order_however_many_run_at_a_time},
    {"what goes wrong is done again in a fresh process", what_goes_wrong_is_done_again_in_a_fresh_process},
    {"a process does as many runs as it may", a_process_does_as_many_runs_as_it_may},
    {"a bad end is that of the last run", a_bad_end_is_that_of_the_last_run},
    {"what hangs is ended and said to have", what_hangs_is_ended_and_said_to_have},
    {"they end when told to", they_end_when_told_to},
    {"nothing to do is done", nothing_to_do_is_done},
};
UNIT_MAIN("jobs", cases)
