// Swarm testing (Groce, Zhang, Eide, Chen, Regehr: "Swarm testing", ISSTA 2012): instead of every kind of fault at once
// in every run, each seed draws which kinds are on (each with chance 1/2), then faults of those kinds: on what, when,
// for how long, and how hard. A run that has only some kinds gets into states that others mask. What is drawn becomes
// literal
// [[at]] and [[trigger]] entries; all of it ends by `until`, so that what is expected after that is due.
//
// A kind of fault is one entry of the table in swarm_kinds.c.
#ifndef QE_SIM_SWARM_H
#define QE_SIM_SWARM_H

#include "engine/random.h"
#include "scenario/reader.h"
#include "scenario/scenario.h"
#include "scenario/tree.h"

#define SIM_SWARM_FAULTS_MAX 1000
#define SIM_SWARM_KINDS_MAX  64

// What is drawn from the streams of a swarm.
enum sim_swarm_chance {
    SIM_SWARM_ON,    // whether the kind of this name is on
    SIM_SWARM_COUNT, // of faults
    SIM_SWARM_FAULT, // + the fault's number: everything about it
};

struct sim_swarm {
    bool present;
    bool on[SIM_SWARM_KINDS_MAX]; // by kind: may be drawn
    uint64_t faults_max;
    uint64_t from_ns, until_ns;
    uint64_t lasts_max_ns;
    uint64_t delay_max_ns; // also of jitter
    uint32_t loss_max_ppb; // also of copies, damage and failing allocations
    char **links, **hosts; // only these; NULL: all
    size_t link_count, host_count;
    unsigned line;
};

// What one kind of fault is about.
enum sim_swarm_subject {
    SIM_SWARM_LINK,
    SIM_SWARM_NODE,   // a host that runs one
    SIM_SWARM_NAT,    // a router with a NAT or a firewall
    SIM_SWARM_ROAMER, // a host with a node on two links or more
    SIM_SWARM_NETWORK,
};

// One fault that is being drawn.
struct sim_swarm_fault {
    const struct sim_swarm *swarm;
    struct sim_tree *root;
    const struct sim_tree *subject; // the table of the link or host; NULL: the network
    char name[256];                 // of the link or host
    uint64_t time_ns, end_ns;       // whole ms; end ≤ until
    struct sim_stream stream;
};

struct sim_swarm_kind {
    const char *name;
    enum sim_swarm_subject subject;
    bool usual; // on where the file does not say which
    void (*draw)(struct sim_swarm_fault *fault, const struct sim_swarm_kind *kind);
    // Of settings of links: the key, and what it is without the fault where the link says nothing.
    const char *key, *off;
    struct sim_tree *(*value)(struct sim_swarm_fault *fault);
};

// Ends with a NULL name.
extern const struct sim_swarm_kind sim_swarm_kinds[];
extern const struct sim_key sim_swarm_keys[];

// Reads [swarm], if there is one; `tree` is the whole file's. False on a mistake. To be freed either way.
bool sim_swarm_read(
    struct sim_reader *r, const struct qe_toml_value *root, struct sim_tree *tree, struct sim_swarm *swarm);
void sim_swarm_fini(struct sim_swarm *swarm);
// Draws the faults of a seed into the tree. Returns which kinds were on, as text to be released.
char *sim_swarm_apply(const struct sim_swarm *swarm, uint64_t seed, struct sim_tree *root);

// The how-many-th thing that a kind of fault can be about: its table and name; false where there are not so many.
bool sim_swarm_subject(const struct sim_swarm *swarm, const struct sim_tree *root, enum sim_swarm_subject subject,
    size_t index, const struct sim_tree **table, char name[256]);
// The name of a link: its own, or its hosts'.
void sim_swarm_link_name(const struct sim_tree *link, char name[256]);

#endif
