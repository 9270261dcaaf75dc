// A node's configuration, validated. Both programs fill it the same way: defaults, then the file (qe_config_load over a
// TOML tree), then the command line.
#ifndef QE_CONFIG_CONFIG_H
#define QE_CONFIG_CONFIG_H

#include "base/addr.h"
#include "identity/identity.h"
#include "node/action.h"

#define QE_CONFIG_LISTEN_MAX 8
#define QE_CONFIG_PEERS_MAX  1024
#define QE_TUN_NAME_SIZE     16

#define QE_DEFAULT_PORT 9000
#define QE_DEFAULT_MTU  1420

// A peer that may connect, and where to dial it.
struct qe_config_peer {
    struct qe_node_id id;
    char name[QE_NAME_SIZE]; // "" for none
    struct qe_addr addr;     // family 0: not known, it waits to be dialled
};

struct qe_config {
    char name[QE_NAME_SIZE];         // [node] name; "" for none
    char tun_name[QE_TUN_NAME_SIZE]; // [network] tun_name, default "quicether0"
    struct qe_cidr tun_addr;         // [network] tun_addr; family 0: derived from the node ID in 100.64.0.0/16
    uint16_t mtu;                    // [network] mtu, 1280..1420, default 1420
    struct qe_addr listen[QE_CONFIG_LISTEN_MAX]; // [network] listen, default 0.0.0.0:9000 and [::]:9000
    size_t listen_count;
    struct qe_config_peer *peers; // sorted by ID, no ID twice
    size_t peer_count;
    enum qe_log_level log_level; // [monitoring] log_level, default info
    uint8_t lanes;               // [performance] lanes, 1..32, default 1
    struct qe_addr metrics_addr; // [monitoring] metrics_addr; family 0: none
    struct qe_addr health_addr;  // [monitoring] health_addr; family 0: none
};

#endif
