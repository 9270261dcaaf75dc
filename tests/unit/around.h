// Small scenarios around the scripted node, written in pieces, and what each of their expectations measures.
#ifndef QE_TESTS_AROUND_H
#define QE_TESTS_AROUND_H

#include "standin.h"
#include "world/world.h"

#define HEAD(keys)                                                                                                     \
    "[scenario]\nname = \"s\"\nduration = \"2s\"\nwall_clock_ms = 1000000000\n"                                        \
    "[[host]]\nname = \"a\"\npeers = [\"b\"]\n[[host]]\nname = \"b\"\nallow = [\"a\"]\n" keys
// 10 ms each way, and 92 bytes in UDP: 120 bytes, without a rate.
#define LINK(keys) HEAD(keys) "[[link]]\nbetween = [\"a\", \"b\"]\ndelay = \"10ms\"\n"
#define PING       LINK("") "[[flow]]\nkind = \"ping\"\nfrom = \"a\"\nto = \"b\"\ninterval = \"100ms\"\nstart = \"100ms\"\n"
#define UDP(keys)                                                                                                      \
    LINK(keys)                                                                                                         \
    "[[flow]]\nname = \"u\"\nkind = \"udp\"\nfrom = \"a\"\nto = \"b\"\ninterval = \"1ms\"\nsize = 100\n"               \
    "start = \"100ms\"\nstop = \"1500ms\"\n"
#define AT(time, what)         "[[at]]\ntime = \"" time "\"\n" what "\n"
#define AT_B(time, what)       AT(time, "host = \"b\"\n" what)
#define FLOW(flow, measure)    "[[expect]]\nflow = \"" flow "\"\nmeasure = \"" measure "\"\nmin = 0\n"
#define LATENCY(flow, measure) "[[expect]]\nflow = \"" flow "\"\nmeasure = \"" measure "\"\nmin = \"0s\"\n"
#define OF_B(measure)          "[[expect]]\nhost = \"b\"\nmeasure = \"" measure "\"\nmin = 0\n"
#define LOG_B(text)            "[[expect]]\nhost = \"b\"\nlog = \"" text "\"\nmin = 0\n"

// Of the last run; it stays until the next.
extern struct sim_result result;

// Runs the text, in which nothing is violated.
void run(const char *text);
// Runs the text, of which each expectation must measure what stands in `measured`, in order.
void measures(const char *text, const char *const *measured);

#endif
