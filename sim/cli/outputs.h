// What a run is asked to write beside its verdict: the options for it, and the sinks that do it.
#ifndef QE_SIM_OUTPUTS_H
#define QE_SIM_OUTPUTS_H

#include "look/filter.h"
#include "scenario/scenario.h"
#include "world/world.h"

#include <getopt.h>

enum {
    SIM_OUTPUT_TRACE = 0x100,
    SIM_OUTPUT_FILTER,
    SIM_OUTPUT_JSONL,
    SIM_OUTPUT_PCAP,
    SIM_OUTPUT_OVERLAY,
    SIM_OUTPUT_KEYLOG,
    SIM_OUTPUT_QLOG,
    SIM_OUTPUT_ALL,
    SIM_OUTPUT_SAMPLE,
    SIM_OUTPUT_MESSAGES,
};

// For a table of getopt_long.
// clang-format off: a table
#define SIM_OUTPUT_OPTIONS                                                                                             \
    {"trace", required_argument, NULL, SIM_OUTPUT_TRACE},                                                              \
        {"trace-filter", required_argument, NULL, SIM_OUTPUT_FILTER},                                                  \
        {"jsonl", required_argument, NULL, SIM_OUTPUT_JSONL}, {"pcap", required_argument, NULL, SIM_OUTPUT_PCAP},      \
        {"pcap-overlay", required_argument, NULL, SIM_OUTPUT_OVERLAY},                                                 \
        {"keylog", required_argument, NULL, SIM_OUTPUT_KEYLOG}, {"qlog", required_argument, NULL, SIM_OUTPUT_QLOG},    \
        {"all", required_argument, NULL, SIM_OUTPUT_ALL}, {"sample", required_argument, NULL, SIM_OUTPUT_SAMPLE},      \
    {                                                                                                                  \
        "messages", no_argument, NULL, SIM_OUTPUT_MESSAGES                                                             \
    }
// clang-format on

#define SIM_OUTPUT_USAGE                                                                                                \
    "  --trace FILE         writes a readable line for each event; - is standard output\n"                              \
    "  --trace-filter K=V,… only those events, here and in JSON: host, event, name, carries, packet, after, before\n" \
    "  --jsonl FILE         writes each event as a JSON object on a line\n"                                             \
    "  --messages           says in both what each datagram carries: hello, ack, ticket, ...\n"                         \
    "  --sample TIME        adds the state of links, flows and hosts to the traces every so often (100ms)\n"            \
    "  --pcap FILE          writes the underlay's datagrams as pcapng, with the TLS secrets to decrypt them\n"          \
    "  --pcap-overlay FILE  writes the packets into and out of TUNs as pcapng\n"                                        \
    "  --keylog FILE        writes the TLS secrets of all nodes as an NSS key log\n"                                    \
    "  --qlog DIR           writes a qlog of each connection at each host, for qvis\n"                                  \
    "  --all DIR            all of these, in one folder\n"                                                              \
    "                       (with more than one seed: FILE.SEED and DIR.SEED)\n"

struct sim_outputs_options {
    const char *trace, *jsonl, *pcap, *overlay, *keylog, *qlog, *all;
    struct sim_filter filter;
    uint64_t sample_ns; // 0: no samples
    bool messages;
    bool each_seed; // names get the seed
};

void sim_outputs_options_init(struct sim_outputs_options *options);
// Takes an option of the table above. 0, or an exit status after saying what is wrong.
int sim_outputs_option(struct sim_outputs_options *options, int letter, const char *value);
// Once all options are there. 0, or an exit status after saying what is wrong.
int sim_outputs_settle(struct sim_outputs_options *options, bool each_seed);

struct sim_outputs;

// Opens what is asked for; NULL after saying why that cannot be. The scenario and the options must outlive it.
struct sim_outputs *sim_outputs_open(
    const struct sim_outputs_options *options, const struct sim_scenario *scenario, uint64_t seed);
// For sim_run_options; NULL where nothing is asked for.
struct sim_sink *sim_outputs_sinks(struct sim_outputs *outputs);
// Writes the rest, says what could not be written, and frees. `result`: how the run ended, or NULL. 0, or an exit
// status.
int sim_outputs_close(struct sim_outputs *outputs, const struct sim_result *result);

#endif
