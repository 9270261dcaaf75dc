// Why a run fails, as a short list of kinds with stable names. Which invariant a kind stands for is in
// docs/scenarios.md, "What is always checked".
#ifndef QE_SIM_FAILURE_H
#define QE_SIM_FAILURE_H

// X(identifier, name, what it says of a run)
#define SIM_FAILURES(X)                                                                                                \
    X(NONE, "none", "nothing failed")                                                                                  \
    X(STORM, "storm", "a node or the network does not let time move on, or wakes far too often")                       \
    X(LEAK, "leak", "memory, buffers or datagrams are missing at the end")                                             \
    X(CONTRACT, "contract", "a node broke a rule of its boundary: buffers, sockets, the TUN")                          \
    X(CONSERVATION, "conservation", "packets do not add up: entered is not delivered, dropped or under way")           \
    X(DUPLICATE, "duplicate", "a packet was delivered twice")                                                          \
    X(DAMAGED, "damaged", "a packet arrived that is not what was sent")                                                \
    X(MISDELIVERED, "misdelivered", "a packet arrived where it does not belong")                                       \
    X(FORGED, "forged", "a packet was delivered whose source is not its sender's")                                     \
    X(POLICY, "policy", "a packet was delivered, or a pair connected, against the configuration")                      \
    X(LOOP, "loop", "a packet passed a node twice")                                                                    \
    X(MEMORY, "memory", "a node holds more memory than its configuration and connections account for")                 \
    X(DEADLINE, "deadline", "a node was not stepped at its deadline, or made no progress there")                       \
    X(AMPLIFICATION, "amplification", "more than three times what an unproven address sent went back to it")           \
    X(STRANGER, "stranger", "a datagram went to an address that the node had from nowhere")                            \
    X(STATE, "state", "what a node says of its peers contradicts itself or what others say")                           \
    X(STORED, "stored", "an item was stored that is not valid, or not in time")                                        \
    X(LOG, "log", "a log line at level error that the scenario does not allow")                                        \
    X(LIVENESS, "liveness", "faults are over, and a pair that can be connected is not")                                \
    X(IMPOSSIBLE, "impossible", "a pair is connected that no network could connect")                                   \
    X(CREATE, "create", "a node could not be created")                                                                 \
    X(EXPECTATION, "expectation", "an expectation of the scenario does not hold")                                      \
    X(CRASH, "crash", "the run died of a signal")                                                                      \
    X(HANG, "hang", "the run took too long and was ended")                                                             \
    X(ERROR, "error", "the run could not be carried out")

enum sim_failure {
#define SIM_FAILURE_ID(id, name, help) SIM_FAILURE_##id,
    SIM_FAILURES(SIM_FAILURE_ID)
#undef SIM_FAILURE_ID
        SIM_FAILURE_COUNT
};

const char *sim_failure_name(enum sim_failure kind);
// One sentence about it.
const char *sim_failure_help(enum sim_failure kind);

#endif
