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
    out->verdict = touched == 1 ? (int)index : -1; // nothing is left of other runs
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

static void play(unsigned parallel)
{
    struct sim_jobs jobs = {.run = run, .done = done};
    memset(&seen, 0, sizeof(seen));
    seen.in_order = true;
    CU_ASSERT_EQUAL(sim_jobs_run(&jobs, RUNS, parallel), 0);
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
    play(1);
    play(2);
    play(5);
    play(100);
}

static void nothing_to_do_is_done(void)
{
    struct sim_jobs jobs = {.run = run, .done = done};
    CU_ASSERT_EQUAL(sim_jobs_run(&jobs, 0, 3), 0);
}

static const struct unit_case cases[] = {
    {"results come in order, however many run at a time", results_come_in_order_however_many_run_at_a_time},
    {"nothing to do is done", nothing_to_do_is_done},
};
UNIT_MAIN("jobs", cases)
