// Asks the NAT in front of a host for a UDP port, by PCP (RFC 6887) and, where that is not spoken, by NAT-PMP
// (RFC 6886). Datagrams go out and come in as bytes and time is an argument, so that the daemon's helper and the
// simulator's hosts ask in the same words. Both protocols are for IPv4 here.
//
// Each protocol gets three tries, 250 ms and 500 ms apart, and a second for the last; RFC 6887 §8.1.1 would wait for
// 3 s before the second one, but the NAT is one hop away, and UPnP's turn comes after.
#ifndef QE_NAT_PORT_CLIENT_H
#define QE_NAT_PORT_CLIENT_H

#include "base/addr.h"
#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QE_PORT_SERVER_PORT   5351
#define QE_PORT_NONCE_SIZE    12
#define QE_PORT_DATAGRAM_SIZE 60
// Larger answers are none (RFC 6887 §7).
#define QE_PORT_ANSWER_MAX 1100
#define QE_PORT_TEXT_SIZE  96

enum qe_port_protocol { QE_PORT_PCP, QE_PORT_NAT_PMP, QE_PORT_UPNP, QE_PORT_PROTOCOLS };

struct qe_port_request {
    struct qe_ip client; // this host's IPv4 address on the way to the NAT
    uint16_t port;       // of this host; the same one outside is asked for
    uint32_t lifetime_s; // 0: the mapping is to end
    // Whose mapping it is: the same for each renewal and for its end (RFC 6887 §11.2).
    uint8_t nonce[QE_PORT_NONCE_SIZE];
    bool spoken[QE_PORT_PROTOCOLS]; // those to try; UPnP is none of this client's
};

enum qe_port_state { QE_PORT_ASKING, QE_PORT_GRANTED, QE_PORT_REFUSED };

struct qe_port_client {
    struct qe_port_request request;
    enum qe_port_state state;
    enum qe_port_protocol protocol; // being asked, or that granted it
    unsigned tries;                 // of it
    bool address_known, port_known; // NAT-PMP asks for them one by one
    uint8_t due;                    // datagrams of this try that are to be sent, as bits
    uint64_t at_ns;                 // of the next try
    // What came of it.
    struct qe_addr outside; // GRANTED
    uint32_t lifetime_s;    // GRANTED
    uint32_t epoch_s;       // for how long the NAT has had its mappings, as it says
    bool spoke[QE_PORT_PROTOCOLS];
    char text[QE_PORT_TEXT_SIZE]; // REFUSED: why
};

void qe_port_client_begin(struct qe_port_client *client, const struct qe_port_request *request, uint64_t now_ns);
// The next datagram for the NAT's port 5351, into `out`; its size, 0 for none now.
size_t qe_port_client_next(struct qe_port_client *client, uint64_t now_ns, uint8_t out[QE_PORT_DATAGRAM_SIZE]);
// What came from the NAT's port 5351. Whatever is no answer to this client is passed over.
void qe_port_client_take(struct qe_port_client *client, struct qe_span datagram, uint64_t now_ns);
// When to call qe_port_client_next again; QE_TIME_NEVER once it is granted or refused.
uint64_t qe_port_client_deadline(const struct qe_port_client *client);

const char *qe_port_protocol_name(enum qe_port_protocol protocol);

// What a NAT said last of how long it has had its mappings (RFC 6886 §3.6, RFC 6887 §8.5).
struct qe_port_epoch {
    bool known;
    uint32_t epoch_s;
    uint64_t at_ns;
};
// Takes in what it says now; true where it has lost its mappings since.
bool qe_port_epoch_take(struct qe_port_epoch *epoch, uint32_t epoch_s, uint64_t now_ns);

// Whether hosts on the internet can have that address: it is none of a private network (RFC 1918), of a carrier's
// (RFC 6598), of a link, or otherwise of nobody (RFC 6890). Addresses for documentation count as public.
bool qe_ip_is_public(const struct qe_ip *ip);

#endif
