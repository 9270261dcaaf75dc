// What a run came to, as one short text by which two failures are the same or not: kind and subject, without numbers,
// names of hosts, or times. Shrinking and the summary of a sweep compare it.
#ifndef QE_SIM_VERDICT_H
#define QE_SIM_VERDICT_H

#include "world/world.h"

// Fills result->verdict, failure and signature from its violation and outcomes: "invariant duplicate",
// "expect flow lost". An error of the run itself (verdict SIM_ERROR) stays one: "error".
void sim_verdict_reach(struct sim_result *result);
// The result of a run that never was: its scenario has a mistake for this seed.
void sim_verdict_refused(struct sim_result *result, const char *why);
// The result of a run whose process ended by `signal` (0: it ended otherwise, without a result): "crash SIGABRT".
void sim_verdict_died(struct sim_result *result, int signal);
// The same of a run that was ended because it took too long: "hang".
void sim_verdict_hung(struct sim_result *result);

#endif
