// A node's configuration, validated. Both programs fill it the same way: qe_config_init for the defaults, then the file
// (qe_config_load over a TOML tree), then the command line (the setters below), then qe_config_finish.
//
// A mistake is one line, "where is what, expected what", given to a sink; where is the file's name and line or the
// option. docs/configuration.md lists every key.
#ifndef QE_CONFIG_CONFIG_H
#define QE_CONFIG_CONFIG_H

#include "base/addr.h"
#include "base/mem.h"
#include "identity/identity.h"
#include "node/action.h"

#define QE_CONFIG_LISTEN_MAX    8
#define QE_CONFIG_PEERS_MAX     1024
#define QE_CONFIG_NAMES_MAX     1024
#define QE_CONFIG_LANES_MAX     32
#define QE_TUN_NAME_SIZE        16
#define QE_CONFIG_BOOTSTRAP_MAX 16
#define QE_CONFIG_SUBNETS_MAX   64 // advertised, and likewise accepted
#define QE_CONFIG_GATEWAYS_MAX  8  // preferred, and likewise allowed

#define QE_NOTIFY_COMMAND_SIZE 256

#define QE_HOST_SIZE      256 // a host name (RFC 1123) with its NUL
#define QE_HOST_PORT_SIZE (QE_HOST_SIZE + 6)

#define QE_DEFAULT_PORT      9000
#define QE_DEFAULT_MTU       1420
#define QE_DEFAULT_BOOTSTRAP "bootstrap.quicether.org:9000"
#define QE_MTU_MIN           1280 // RFC 8200 §5: IPv6 needs it

// Longest line given to a sink, with its NUL; longer ones are cut.
#define QE_CONFIG_LINE_SIZE 512

// Who said something: a later one overrides an earlier one.
enum qe_config_origin { QE_CONFIG_DEFAULT, QE_CONFIG_FILE, QE_CONFIG_COMMAND_LINE };

// A peer that may connect, and where to dial it.
struct qe_config_peer {
    struct qe_node_id id;
    char name[QE_NAME_SIZE]; // "" for none
    struct qe_addr addr;     // family 0: not known, it waits to be dialled
    enum qe_config_origin addr_origin;
};

// A name that local configuration gives to a node; it allows nobody by itself.
struct qe_config_name {
    char name[QE_NAME_SIZE];
    struct qe_node_id id;
};

// Somebody to ask first: "HOST:PORT" or "ADDR:PORT" (qe_host_port_split).
struct qe_config_bootstrap {
    char text[QE_HOST_PORT_SIZE];
};

// A name that may connect and that local configuration does not know: whoever has it in the private network.
struct qe_config_allowed_name {
    char name[QE_NAME_SIZE];
};

// A list of networks, without host bits, none twice.
struct qe_config_subnets {
    struct qe_cidr *list;
    size_t count;
    enum qe_config_origin origin; // QE_CONFIG_DEFAULT: nobody said anything
};

// A node by its ID or name; "" for none. After qe_config_finish a name that local configuration knows has become an ID;
// another one is looked up in the network when it is needed (cplane_name_find).
struct qe_config_node {
    char text[QE_NAME_SIZE];
};

struct qe_config_nodes {
    struct qe_config_node list[QE_CONFIG_GATEWAYS_MAX];
    size_t count;
    enum qe_config_origin origin;
};

// Who may have packets relayed by this node.
enum qe_config_relay {
    QE_RELAY_NOBODY,
    QE_RELAY_MEMBERS,
    QE_RELAY_ALLOWED
}; // ALLOWED: members, and peers of this node

struct qe_config_relaying {
    enum qe_config_relay allow; // [relay] allow, default "members"; only a gateway asks, or one for emergencies
    bool emergency;             // [relay] emergency, default false: no gateway, but relays where there is none
    uint64_t rate_bps;          // [relay] rate: bits/s of one node; 0: no limit
    uint64_t total_rate_bps;    // [relay] total_rate: of all together, shared fairly; 0: no limit
    uint64_t volume_bytes;      // [relay] volume: of one node in a day; 0: no limit
};

struct qe_config {
    char name[QE_NAME_SIZE];         // [node] name; "" for none
    char tun_name[QE_TUN_NAME_SIZE]; // [network] tun_name, default "quicether0"
    struct qe_cidr tun_addr;         // [network] tun_addr, IPv4; family 0: derived from the node ID in 100.64.0.0/16
    uint16_t mtu;                    // [network] mtu, 1280..1420, default 1420
    struct qe_addr listen[QE_CONFIG_LISTEN_MAX]; // [network] listen, default 0.0.0.0:9000 and [::]:9000
    size_t listen_count;
    enum qe_config_origin listen_origin;
    uint16_t port; // [discovery] dht_port: of the default listen addresses, default 9000
    enum qe_config_origin port_origin;
    struct qe_config_peer *peers; // [[peer]], [peers] allowed; sorted by ID, no ID twice
    size_t peer_count;
    struct qe_config_name *names; // [peers.names] and the names of [[peer]], in their order, no name twice
    size_t name_count;
    struct qe_config_allowed_name *allowed_names; // [peers] allowed, what is not in `names`; no name twice
    size_t allowed_name_count;
    // [discovery] bootstrap_nodes. QE_DEFAULT_BOOTSTRAP until somebody says otherwise; none: only what is remembered.
    struct qe_config_bootstrap *bootstrap;
    size_t bootstrap_count;
    enum qe_config_origin bootstrap_origin;
    bool bootstrap_mode;                // [discovery] bootstrap_mode: a well-known node
    bool mainline;                      // [discovery] mainline: joins the public DHT, too
    struct qe_ip public_ip;             // [discovery] public_ip: where others reach this node; family 0: not told
    struct qe_config_subnets advertise; // [network] advertise_subnets: behind this node, for others to reach
    // [network] accept_subnets: those of others that may be routed to them, and networks within. Nobody said anything:
    // any but a default route.
    struct qe_config_subnets accept;
    bool gateway;                          // [node] role is "gateway"
    struct qe_config_nodes gateway_prefer; // [gateway] prefer: tried before others
    struct qe_config_nodes gateway_allow;  // [gateway] allow: may be used too, although they are of no network of ours
    struct qe_config_relaying relay;
    struct qe_config_node exit_node; // [network] exit_node: carries what no other route takes
    bool exit_leak;                  // [network] exit_leak, default false: while it is away, such packets go without it
    bool port_mapping;               // [nat] port_mapping, default true: asks NATs for a port
    bool birthday;                   // [nat] birthday, default true: searches for the port of a peer behind a hard NAT
    bool forward;    // [network] forward, default true: sets the host up to forward to what it advertises
    bool masquerade; // [network] masquerade, default true: and hosts there see its address (source NAT)
    bool dns;        // [network] dns, default true: answers for names of the network, and tells the system's resolver
    enum qe_log_level log_level;                 // [monitoring] log_level, default info
    uint8_t lanes;                               // [performance] lanes, 1..32, default 1
    struct qe_addr metrics_addr;                 // [monitoring] metrics_addr; family 0: none
    struct qe_addr health_addr;                  // [monitoring] health_addr; family 0: none
    char notify_command[QE_NOTIFY_COMMAND_SIZE]; // [monitoring] notify_command; "" for none
    const struct qe_mem *mem;                    // owns the lists
};

// Hears of mistakes (QE_LOG_ERROR) and of what is accepted but odd (QE_LOG_WARN), a line each, without newline.
struct qe_config_sink {
    void *user;
    void (*report)(void *user, enum qe_log_level level, const char *line);
};

// Who sets a value.
struct qe_config_source {
    const char *where; // starts each line about it: "--listen", "/etc/quicether/config.toml:12: network.listen"
    enum qe_config_origin origin;
    const struct qe_config_sink *sink;
};

// The defaults. `mem` must outlive the configuration; nothing is allocated yet, and the bootstrap list is still empty
// (qe_config_finish fills in the default).
void qe_config_init(struct qe_config *config, const struct qe_mem *mem);
void qe_config_fini(struct qe_config *config);
// Makes `to` (uninitialised) a copy that owns its lists through `mem`. 0, or -1 without memory, with nothing to free.
int qe_config_copy(struct qe_config *to, const struct qe_config *from, const struct qe_mem *mem);

// Setters: 0, or -1 after a line to the sink; then the configuration is as it was.
int qe_config_set_name(struct qe_config *config, const struct qe_config_source *source, const char *text);
int qe_config_set_tun_name(struct qe_config *config, const struct qe_config_source *source, const char *text);
// "100.64.0.1/16"
int qe_config_set_tun_addr(struct qe_config *config, const struct qe_config_source *source, const char *text);
// "error", "warn", "info", "debug"
int qe_config_set_log_level(struct qe_config *config, const struct qe_config_source *source, const char *text);
// "ADDR:PORT"; the first one of a later origin drops those of earlier ones. Port 0 lets the system choose.
int qe_config_add_listen(struct qe_config *config, const struct qe_config_source *source, const char *text);
// Gives a node a name.
int qe_config_add_name(
    struct qe_config *config, const struct qe_config_source *source, const char *name, const struct qe_node_id *id);
// "ID", "NAME", "ID@ADDR:PORT", "NAME@ADDR:PORT": may connect, and is dialled where an address is given. A NAME must be
// known by now. An address of a later origin replaces one of an earlier; two different ones of the same origin are a
// mistake.
int qe_config_add_peer(struct qe_config *config, const struct qe_config_source *source, const char *text);
// "ID" or "NAME": may connect. A NAME that local configuration does not know joins `allowed_names`.
int qe_config_allow_peer(struct qe_config *config, const struct qe_config_source *source, const char *text);
// The same for an ID with an optional address (NULL: none), already parsed.
int qe_config_put_peer(struct qe_config *config, const struct qe_config_source *source, const struct qe_node_id *id,
    const struct qe_addr *addr);

// 1..65535
int qe_config_set_port(struct qe_config *config, const struct qe_config_source *source, const char *text);
int qe_config_set_public_ip(struct qe_config *config, const struct qe_config_source *source, const char *text);
// "HOST:PORT"; the first of a later origin drops those of earlier ones. "none": an empty list.
int qe_config_add_bootstrap(struct qe_config *config, const struct qe_config_source *source, const char *text);
// An empty list.
int qe_config_no_bootstrap(struct qe_config *config, const struct qe_config_source *source);
// "10.0.0.0/16": likewise. A host's own address may have bits that its network has not: they are a mistake.
int qe_config_add_advertise(struct qe_config *config, const struct qe_config_source *source, const char *text);
int qe_config_add_accept(struct qe_config *config, const struct qe_config_source *source, const char *text);
// None is accepted but what qe_config_add_accept adds.
int qe_config_no_accept(struct qe_config *config, const struct qe_config_source *source);

// "node" or "gateway"
int qe_config_set_role(struct qe_config *config, const struct qe_config_source *source, const char *text);
// "ID" or "NAME"; the first of a later origin drops those of earlier ones. "none": an empty list.
int qe_config_add_gateway_prefer(struct qe_config *config, const struct qe_config_source *source, const char *text);
int qe_config_no_gateway_prefer(struct qe_config *config, const struct qe_config_source *source);
int qe_config_add_gateway_allow(struct qe_config *config, const struct qe_config_source *source, const char *text);
int qe_config_no_gateway_allow(struct qe_config *config, const struct qe_config_source *source);
// "ID", "NAME" or "none"
int qe_config_set_exit_node(struct qe_config *config, const struct qe_config_source *source, const char *text);
// "nobody", "members", "allowed"
int qe_config_set_relay_allow(struct qe_config *config, const struct qe_config_source *source, const char *text);
const char *qe_relay_allow_name(enum qe_config_relay allow);
// "20Mbit/s", "unlimited" (config/quantity.h)
int qe_config_set_relay_rate(struct qe_config *config, const struct qe_config_source *source, const char *text);
int qe_config_set_relay_total_rate(struct qe_config *config, const struct qe_config_source *source, const char *text);
// "10GB", "unlimited"
int qe_config_set_relay_volume(struct qe_config *config, const struct qe_config_source *source, const char *text);
// An absolute path.
int qe_config_set_notify_command(struct qe_config *config, const struct qe_config_source *source, const char *text);

// What only the whole shows of gateways and exits; part of qe_config_finish. 0, or -1 after lines to the sink.
int qe_config_check_traversal(const struct qe_config *config, const struct qe_config_sink *sink);

// Once all is said: gives peers their names, settles defaults that depend on others, and checks what only the whole can
// show. 0, or -1 after lines to the sink.
int qe_config_finish(struct qe_config *config, const struct qe_config_sink *sink);

// The node that "ID" or "NAME" means to local configuration. False for a name that it does not know.
bool qe_config_find_node(const struct qe_config *config, const struct qe_config_node *node, struct qe_node_id *id);
// The node that local configuration calls `name`; NULL for none.
const struct qe_node_id *qe_config_find_name(const struct qe_config *config, const char *name);
// The peer with this ID; NULL for none.
const struct qe_config_peer *qe_config_find_peer(const struct qe_config *config, const struct qe_node_id *id);

// Takes "HOST:PORT" apart: an address into `addr`, whose family is otherwise 0 and its port that of the host name in
// `host`. `text` is one that the setters took, or qe_check_host_port.
void qe_host_port_split(const char *text, char host[QE_HOST_SIZE], struct qe_addr *addr);

#endif
