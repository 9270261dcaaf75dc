// Gateways as the control plane has them: gateways.c (which are known, which are kept connected, what of it the record
// says), detour.c (reaching a peer through them) and report_gateways.c (what is told of it).
#ifndef QE_NODE_GATEWAYS_H
#define QE_NODE_GATEWAYS_H

#include "config/config.h"
#include "relay/choice.h"
#include "relay/refusals.h"

// A node that others cannot dial keeps so many, and says so in its record.
#define CPLANE_GATEWAYS_KEPT 2
// Bits of a record's capabilities: it relays where there is no gateway.
#define CPLANE_CAPABILITY_EMERGENCY UINT32_C(1)

struct qe_cplane;
struct cplane_peer;
struct qe_node_record;
struct qe_json;
struct qe_command;

// Why a peer has not been reached directly, as far as is known.
enum cplane_undirect {
    CPLANE_UNDIRECT_UNKNOWN,
    CPLANE_UNDIRECT_ABSENT, // nothing at all is heard of it
    CPLANE_UNDIRECT_NAT,    // it is there and was told: what stands between the two lets nothing through
};

// Reaching one peer through gateways, from when it is tried until it is reached directly.
struct cplane_detour {
    uint64_t since_ns;   // when trying to reach it began
    uint64_t begin_ns;   // no gateway is asked before
    uint64_t at_ns;      // when to look at it
    uint64_t relayed_ns; // when it was reached through a gateway; 0: it is not
    uint64_t asked_ns;   // when a gateway was last asked; 0: none was
    struct qe_refusals refusals;
    unsigned tries; // since there was last reason to try
    enum cplane_undirect why;
    bool direct_failed; // a round of it
    bool told;          // that there is no way
};

// One that the user named; a name is looked up.
struct cplane_gateway_given {
    struct qe_node_id id;
    bool found;
    uint64_t at_ns; // when to look for it
};

struct cplane_gateways {
    struct qe_gateways known;
    struct cplane_gateway_given preferred[QE_CONFIG_GATEWAYS_MAX], allowed[QE_CONFIG_GATEWAYS_MAX];
    struct qe_node_id kept[CPLANE_GATEWAYS_KEPT]; // through which this node can be reached
    struct qe_addr kept_at[CPLANE_GATEWAYS_KEPT]; // where; port 0: nowhere
    size_t kept_count;
    uint64_t at_ns;      // not later than anything here is due
    uint64_t read_ns;    // when the index was read
    uint64_t read_at_ns; // when it may be read again
    uint64_t reads;      // how often it was, in vain or not
    unsigned vain;       // in a row
    bool reading, found, read_wanted;
    bool behind_nat; // others cannot dial this node, as far as is known
};

// gateways.c
void cplane_gateways_init(struct qe_cplane *c);
void cplane_gateways_on_up(struct qe_cplane *c);
// What the user asks for has changed.
void cplane_gateways_on_config(struct qe_cplane *c);
// Has cplane_gateways_expire called by then.
void cplane_gateways_wake(struct qe_cplane *c, uint64_t at_ns);
void cplane_gateways_expire(struct qe_cplane *c);
uint64_t cplane_gateways_deadline(const struct qe_cplane *c);
// The peer's session may have changed.
void cplane_gateways_on_session(struct qe_cplane *c, struct cplane_peer *peer);
// What the peer's record says, newer than what was known.
void cplane_gateways_on_record(struct qe_cplane *c, struct cplane_peer *peer, const struct qe_node_record *record);
void cplane_gateways_forget(struct qe_cplane *c, struct cplane_peer *peer);
// What this node's record says: its role, what it does for others, and through whom it can be reached.
void cplane_gateways_compose(struct qe_cplane *c, struct qe_node_record *record);
// Sees to it that there is a connection to that gateway, or an attempt.
void cplane_gateway_connect(struct qe_cplane *c, struct qe_gateway *gateway);
// Reads who is listed as a gateway, as soon as that may be; sooner where a peer cannot be reached.
void cplane_gateways_read(struct qe_cplane *c, bool urgent);
// A peer that was reached by a gateway is not any more: the list is read anew where there is no other way.
void cplane_gateways_on_lost(struct qe_cplane *c);
// Looks whether others can dial this node, which nobody tells.
void cplane_gateways_look(struct qe_cplane *c);
// Whether this node relays at all.
bool cplane_is_relay(const struct qe_cplane *c);

// detour.c
void cplane_detour_on_session(struct qe_cplane *c, struct cplane_peer *peer);
// Packets wait for a peer that is not connected.
void cplane_detour_on_wanted(struct qe_cplane *c, struct cplane_peer *peer);
// There are addresses to reach it at: that comes first, at the beginning.
void cplane_detour_on_found(struct qe_cplane *c, struct cplane_peer *peer);
// A round of reaching it directly was in vain.
void cplane_detour_on_direct_failed(struct qe_cplane *c, struct cplane_peer *peer, enum cplane_undirect why);
// Another gateway may be used, or one less: every detour is looked at.
void cplane_detours_stir(struct qe_cplane *c);
void cplane_detours_expire(struct qe_cplane *c);
// Words on why the peer is not connected directly; NULL: it is, or nothing is known.
const char *cplane_undirect_text(const struct cplane_peer *peer);

// report_gateways.c
void cplane_write_gateways(struct qe_cplane *c, struct qe_json *json);
struct cplane_command;
void cplane_write_relay(struct qe_cplane *c, struct qe_json *json, const struct cplane_command *command);

#endif
