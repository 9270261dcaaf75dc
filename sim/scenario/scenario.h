// A scenario as it stands in its file (docs/scenarios.md): hosts, links, what happens when, flows, and what is
// expected. Names are resolved to indices here, and everything that can be wrong is found here.
#ifndef QE_SIM_SCENARIO_H
#define QE_SIM_SCENARIO_H

#include "net/firewall.h"
#include "net/nat.h"
#include "net/pipe.h"
#include "net/portmap.h"
#include "scenario/at.h"
#include "scenario/faults.h"
#include "scenario/rates.h"
#include "scenario/reader.h"
#include "scenario/trigger.h"

#include "base/addr.h"
#include "identity/identity.h"
#include "toml/toml.h"

#define SIM_HOSTS_MAX    4096
#define SIM_LINKS_MAX    4096
#define SIM_NAMES_MAX    256
#define SIM_ATS_MAX      65536
#define SIM_TRIGGERS_MAX 1024
#define SIM_FLOWS_MAX    4096
#define SIM_EXPECTS_MAX  4096

struct sim_scenario_peer {
    size_t host;
    bool dial;
    struct qe_addr addr; // family 0: the simulator finds one, where it is to be dialled
    unsigned line;
};

struct sim_scenario_route {
    struct qe_cidr to;
    struct qe_ip via;
};

// What stands between a host's links, or between it and them.
struct sim_scenario_middlebox {
    bool has_nat, has_firewall, has_portmap;
    struct sim_nat_settings nat;
    struct sim_firewall_settings firewall;
    struct sim_portmap_settings portmap;
    size_t *outside; // links
    size_t outside_count;
};

struct sim_scenario_host {
    char *name;
    bool router;                        // forwards
    bool node;                          // runs quicether
    const struct qe_toml_value *config; // the daemon's tables, or NULL
    struct sim_scenario_peer *peers;
    size_t peer_count;
    struct sim_scenario_route *routes;
    size_t route_count;
    struct sim_scenario_middlebox *middlebox; // or NULL
    uint64_t start_ns;
    bool starts;            // false: only by the timeline
    int64_t wall_offset_ms; // of its clock
    uint64_t memory_max;    // bytes for its node; 0: no limit
    bool dns;               // it can ask for names
    char *member_of;        // the private network it is a member of; NULL: of none
    uint64_t respawn_ns;    // starts again this long after it ended unasked; UINT64_MAX: does not
    unsigned line;
};

struct sim_scenario_address {
    size_t port; // place in the link's hosts
    struct qe_cidr cidr;
};

struct sim_scenario_link {
    char *name;
    size_t *hosts;
    size_t host_count;
    struct sim_pipe_settings *settings; // one a port
    struct sim_scenario_address *addresses;
    size_t address_count;
    bool *absent; // one a port: not on the link at first
    unsigned line;
};

// A name in the DNS.
#define SIM_NAME_ADDRESSES_MAX 16
struct sim_scenario_name {
    char *name;
    struct qe_ip addresses[SIM_NAME_ADDRESSES_MAX];
    size_t count; // 0: the name is known and has none
};

enum sim_flow_kind {
    SIM_FLOW_PING,
    SIM_FLOW_UDP,
    SIM_FLOW_BULK,
    SIM_FLOW_REQUEST,
    SIM_FLOW_CAPTURE,
    SIM_FLOW_PLAIN, // past quicether
};

struct sim_scenario_flow {
    char *name;
    enum sim_flow_kind kind;
    size_t from, to;
    uint8_t family; // 4 or 6
    uint64_t interval_ns;
    uint64_t size;  // bytes of an inner IP packet
    uint64_t batch; // packets that leave at once
    bool offload;   // the batch leaves as one super-packet
    uint64_t start_ns, stop_ns;
    uint64_t count;         // 0: until stop
    struct qe_ip source;    // family 0: the TUN's address
    uint64_t bytes;         // BULK; 0: as many as there is time for
    uint64_t request_bytes; // REQUEST
    uint64_t response_bytes;
    uint64_t idle_ns;       // BULK, REQUEST: silence after which a connection is gone
    char *file;             // CAPTURE
    struct qe_addr address; // PLAIN: where it is sent; family 0: to an address of the host
    uint32_t ports;         // PLAIN: source ports used by turns
    bool answered;          // PLAIN: the host sends each back, and it counts where it came from
    unsigned line;
};

enum sim_expect_kind {
    SIM_EXPECT_FLOW,
    SIM_EXPECT_LINK,
    SIM_EXPECT_HOST,
    SIM_EXPECT_LOG,
    SIM_EXPECT_EVENT,
    SIM_EXPECT_COUNTER,
    SIM_EXPECT_CONNECTED,
    SIM_EXPECT_DISCONNECTED,
    SIM_EXPECT_NEVER_CONNECTED,
    SIM_EXPECT_CROSSING, // connected as the NATs between the two allow
    SIM_EXPECT_TRIGGER,  // how often it has acted
    SIM_EXPECT_POINT,    // how often a fault point has fired, in all nodes
};

// How two nodes are connected, as a node says it.
enum sim_way {
    SIM_WAY_NONE,
    SIM_WAY_ANY, // in expectations: however; of a node: it has not said how
    SIM_WAY_DIRECT,
    SIM_WAY_GATEWAY,
};

// What a measure counts in.
enum sim_unit {
    SIM_UNIT_COUNT,
    SIM_UNIT_DURATION,
    SIM_UNIT_RATE,
    SIM_UNIT_SIZE,
    SIM_UNIT_CHANCE,
};

struct sim_scenario_expect {
    enum sim_expect_kind kind;
    size_t flow, link, port, host, other, trigger;
    enum qe_fault_point point;
    const struct sim_measure *measure; // FLOW, LINK, HOST
    char *text;                        // LOG, EVENT, COUNTER
    uint64_t after_ns, before_ns;      // what is looked at: sent, or happened, in [after, before)
    bool has_min, has_max;
    uint64_t min, max; // with the margin
    uint32_t margin_ppb;
    enum sim_way by;        // CONNECTED, NEVER_CONNECTED
    bool always;            // CONNECTED, DISCONNECTED: in all of the window
    bool sometimes;         // it fails no run; a sweep wants it to hold in one at least,
    uint32_t sometimes_ppb; // or in this share of its runs
    unsigned line;
};

// A value that a sweep or a swarm chose for this seed, as text.
struct sim_parameter {
    char *name, *value;
};

struct sim_scenario {
    char *file;
    char *name;
    char *description;
    uint64_t duration_ns;
    uint64_t wall_ms;     // unix time at the start
    uint64_t calm_ns;     // from then on nothing goes wrong any more; UINT64_MAX: not said
    uint64_t recovers_ns; // how long after that what can be connected may take
    uint64_t seed;        // where none is given
    struct sim_scenario_host *hosts;
    size_t host_count;
    struct sim_scenario_link *links;
    size_t link_count;
    struct sim_scenario_name *names;
    size_t name_count;
    struct sim_rates rates;      // of the links and of [[at]]
    struct sim_scenario_at *ats; // by time, then as in the file
    size_t at_count;
    struct sim_scenario_faults faults;
    struct sim_scenario_trigger *triggers;
    size_t trigger_count;
    struct sim_scenario_flow *flows;
    size_t flow_count;
    struct sim_scenario_expect *expects;
    size_t expect_count;
    struct sim_parameter *parameters; // what was chosen for the seed
    size_t parameter_count;
    struct qe_toml *toml;
    size_t shares; // frees to come beside the last one
};

// NULL: there is no such name.
const struct sim_scenario_name *sim_scenario_find_name(const struct sim_scenario *scenario, const char *name);

// Reads a literal scenario from text; `file` is its name in messages. NULL on a mistake, which `error` then names.
// Files are read as templates (scenario/template.h).
struct sim_scenario *sim_scenario_parse(const char *file, const char *text, size_t size, char error[SIM_ERROR_SIZE]);
// The two halves of it. The tree belongs to the scenario, or is freed with the mistake.
struct qe_toml *sim_scenario_syntax(const char *file, const char *text, size_t size, char error[SIM_ERROR_SIZE]);
struct sim_scenario *sim_scenario_read(const char *file, struct qe_toml *toml, char error[SIM_ERROR_SIZE]);
// The same scenario once more, for one more sim_scenario_free.
struct sim_scenario *sim_scenario_share(struct sim_scenario *scenario);
void sim_scenario_free(struct sim_scenario *scenario);

// For the parts of the parser.
struct sim_parse {
    struct sim_reader reader;
    struct sim_scenario *scenario;
};
void sim_parse_links(struct sim_parse *p, const struct qe_toml_value *root);
void sim_parse_dns(struct sim_parse *p, const struct qe_toml_value *root);
// [host.nat] and [host.firewall]; the links are there.
void sim_parse_middleboxes(struct sim_parse *p, const struct qe_toml_value *root);
void sim_middlebox_settings_free(struct sim_scenario_middlebox *middlebox);
void sim_parse_ats(struct sim_parse *p, const struct qe_toml_value *root);
void sim_parse_faults(struct sim_parse *p, const struct qe_toml_value *root);
// The fault point that `value` names; a mistake where there is none.
enum qe_fault_point sim_parse_point(struct sim_parse *p, const struct qe_toml_value *value);
void sim_parse_triggers(struct sim_parse *p, const struct qe_toml_value *root);
void sim_parse_flows(struct sim_parse *p, const struct qe_toml_value *root);
void sim_parse_expects(struct sim_parse *p, const struct qe_toml_value *root);
// The array of tables under `key`, or NULL; at most `max` of them.
const struct qe_toml_value *sim_parse_array(
    struct sim_parse *p, const struct qe_toml_value *root, const char *key, size_t max);
// Index of the host or link that `value` names; a mistake and SIM_NONE where there is none.
size_t sim_parse_host(struct sim_parse *p, const struct qe_toml_value *value, const char *what);
size_t sim_parse_link(struct sim_parse *p, const struct qe_toml_value *value);
// Reads what happens, and to whom, into `at`, whose plain keys are read already. where: what the table is called.
void sim_parse_what(
    struct sim_parse *p, struct sim_scenario_at *at, const struct qe_toml_value *table, const char *where);
// Whether the table says that something happens.
bool sim_parse_has_what(const struct qe_toml_value *table);
// The place of a host on a link; SIM_NONE where it is not on it.
size_t sim_scenario_port(const struct sim_scenario_link *link, size_t host);
// Whole milliseconds, possibly negative.
bool sim_parse_clock(struct sim_parse *p, const struct qe_toml_value *value, const char *what, int64_t *out);
// The port of `link` that the host under 'from' has. SIM_NONE where `table` has no such key.
size_t sim_parse_direction(struct sim_parse *p, const struct qe_toml_value *table, size_t link);
// The kind of a flow, and whether its other keys are for that kind; then what they say.
void sim_parse_flow_kind(struct sim_parse *p, struct sim_scenario_flow *flow, const struct qe_toml_value *table);
void sim_parse_flow_own(struct sim_parse *p, struct sim_scenario_flow *flow, const struct qe_toml_value *table);
extern const char *const sim_flow_kind_names[]; // by enum sim_flow_kind
// A link's settings, those that `table` has, over what is there. The other keys of the table are the caller's to check.
void sim_parse_settings(struct sim_reader *r, const struct qe_toml_value *table, struct sim_pipe_settings *settings);
// What reads the settings of [[at]] when its time has come.
struct sim_reader sim_scenario_reader(const struct sim_scenario *scenario);
// Whether `table` has any of a link's settings.
bool sim_parse_has_settings(const struct qe_toml_value *table);

// Settings of a pipe: in [[link]], in its `from` tables, and in [[at]].
#define SIM_SETTING_KEYS                                                                                               \
    {"rate", SIM_KEY_OTHER, 0}, {"rate_timeline", SIM_KEY_OTHER, 0}, {"rate_repeat", SIM_KEY_OTHER, 0},                \
        {"rate_trace", SIM_KEY_OTHER, 0}, {"delay", SIM_KEY_OTHER, 0}, {"jitter", SIM_KEY_OTHER, 0},                   \
        {"jitter_model", SIM_KEY_OTHER, 0}, {"loss", SIM_KEY_OTHER, 0}, {"loss_bursts", SIM_KEY_OTHER, 0},             \
        {"reorder", SIM_KEY_OTHER, 0}, {"late", SIM_KEY_OTHER, 0}, {"duplicate", SIM_KEY_OTHER, 0},                    \
        {"corrupt", SIM_KEY_OTHER, 0}, {"checksum", SIM_KEY_OTHER, 0}, {"queue", SIM_KEY_OTHER, 0},                    \
        {"codel", SIM_KEY_OTHER, 0}, {"mark_above", SIM_KEY_OTHER, 0}, {"mtu", SIM_KEY_OTHER, 0},                      \
        {"icmp", SIM_KEY_OTHER, 0},                                                                                    \
    {                                                                                                                  \
        "overhead", SIM_KEY_OTHER, 0                                                                                   \
    }

extern const struct sim_key sim_gilbert_keys[], sim_bursts_keys[], sim_late_keys[], sim_codel_keys[];
// What can happen, and what belongs to it: in [[at]] and in [[trigger]]. Offsets are in struct sim_scenario_at.
#define SIM_WHAT_KEYS                                                                                                  \
    {"link", SIM_KEY_OTHER, 0}, {"from", SIM_KEY_OTHER, 0}, {"down", SIM_KEY_OTHER, 0}, {"up", SIM_KEY_OTHER, 0},      \
        {"blackhole", SIM_KEY_OTHER, 0}, SIM_SETTING_KEYS, {"leave", SIM_KEY_OTHER, 0}, {"join", SIM_KEY_OTHER, 0},    \
        {"addresses", SIM_KEY_OTHER, 0}, {"host", SIM_KEY_OTHER, 0}, {"start", SIM_KEY_OTHER, 0},                      \
        {"stop", SIM_KEY_OTHER, 0}, {"reboot", SIM_KEY_OTHER, 0}, {"crash", SIM_KEY_OTHER, 0},                         \
        {"restart", SIM_KEY_OTHER, 0}, {"clock", SIM_KEY_OTHER, 0},                                                    \
        {"crash_at_write", SIM_KEY_NUMBER, offsetof(struct sim_scenario_at, number)},                                  \
        {"crash_before_write", SIM_KEY_NUMBER, offsetof(struct sim_scenario_at, number)},                              \
        {"corrupt_state", SIM_KEY_OTHER, 0}, {"truncate_state", SIM_KEY_OTHER, 0}, {"erase_state", SIM_KEY_OTHER, 0},  \
        {"clock_drift", SIM_KEY_OTHER, 0},                                                                             \
        {"suspend", SIM_KEY_DURATION, offsetof(struct sim_scenario_at, duration_ns)},                                  \
        {"stall", SIM_KEY_DURATION, offsetof(struct sim_scenario_at, duration_ns)},                                    \
        {"hold_buffers", SIM_KEY_DURATION, offsetof(struct sim_scenario_at, duration_ns)},                             \
        {"memory", SIM_KEY_SIZE, offsetof(struct sim_scenario_at, bytes)},                                             \
        {"fail_allocation", SIM_KEY_NUMBER, offsetof(struct sim_scenario_at, number)},                                 \
        {"fail_allocations", SIM_KEY_CHANCE, offsetof(struct sim_scenario_at, share_ppb)},                             \
        {"fail_stores", SIM_KEY_OTHER, 0}, {"refuse_sockets", SIM_KEY_OTHER, 0}, {"refuse_tun", SIM_KEY_OTHER, 0},     \
        {"roam", SIM_KEY_OTHER, 0}, {"resolve", SIM_KEY_OTHER, 0}, {"partition", SIM_KEY_OTHER, 0},                    \
        {"for", SIM_KEY_DURATION, offsetof(struct sim_scenario_at, for_ns)},                                           \
        {"start_after", SIM_KEY_DURATION, offsetof(struct sim_scenario_at, start_after_ns)},                           \
        {"lose_unsynced", SIM_KEY_DURATION, offsetof(struct sim_scenario_at, unsynced_ns)},                            \
    {                                                                                                                  \
        "silently", SIM_KEY_FLAG, offsetof(struct sim_scenario_at, silently)                                           \
    }

extern const struct sim_key sim_nat_keys[], sim_forward_keys[], sim_portmap_keys[], sim_firewall_keys[];
extern const struct sim_key sim_link_keys[], sim_at_keys[], sim_partition_keys[], sim_roam_keys[], sim_trigger_keys[],
    sim_faults_keys[], sim_on_keys[], sim_flow_keys[], sim_expect_keys[];
// Key tables, by name of the table; for the test that every key is documented. `place` from 0; NULL at the end.
const struct sim_key *sim_scenario_keys(size_t place, const char **where);

#endif
