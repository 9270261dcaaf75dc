#include "world/verdict.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static void sign(struct sim_result *result, const char *first, const char *second)
{
    snprintf(result->signature, sizeof(result->signature), "%s%s%s", first, second[0] ? " " : "", second);
}

void sim_verdict_reach(struct sim_result *result)
{
    if (result->verdict == SIM_ERROR) {
        result->failure = SIM_FAILURE_ERROR;
        sign(result, "error", "");
        return;
    }
    result->verdict = result->violation[0] ? SIM_FAIL : SIM_PASS;
    if (result->violation[0]) sign(result, "invariant", sim_failure_name(result->failure));
    for (size_t i = 0; i < result->outcome_count; i++) {
        const struct sim_outcome *outcome = &result->outcomes[i];
        if (outcome->passed || outcome->sometimes) continue;
        result->verdict = SIM_FAIL;
        if (result->failure != SIM_FAILURE_NONE) continue;
        result->failure = SIM_FAILURE_EXPECTATION;
        sign(result, "expect", outcome->subject);
    }
}

// strsignal's texts differ between C libraries.
static const char *signal_name(int signal)
{
    switch (signal) {
    case SIGABRT:
        return "SIGABRT";
    case SIGSEGV:
        return "SIGSEGV";
    case SIGFPE:
        return "SIGFPE";
    case SIGILL:
        return "SIGILL";
    case 0:
        return "";
    default:
        return "signal";
    }
}

void sim_verdict_died(struct sim_result *result, int signal)
{
    *result = (struct sim_result){.verdict = SIM_ERROR, .failure = SIM_FAILURE_CRASH};
    if (signal)
        snprintf(
            result->violation, sizeof(result->violation), "the run died of signal %d %s", signal, signal_name(signal));
    else
        snprintf(result->violation, sizeof(result->violation), "the run died");
    sign(result, "crash", signal_name(signal));
}

void sim_verdict_refused(struct sim_result *result, const char *why)
{
    *result = (struct sim_result){.verdict = SIM_ERROR};
    snprintf(result->violation, sizeof(result->violation), "%s", why);
    sim_verdict_reach(result);
}

void sim_verdict_hung(struct sim_result *result)
{
    *result = (struct sim_result){.verdict = SIM_ERROR, .failure = SIM_FAILURE_HANG};
    snprintf(result->violation, sizeof(result->violation), "the run took too long and was ended");
    sign(result, "hang", "");
}
