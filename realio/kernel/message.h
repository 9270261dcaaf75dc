// What the daemon and its helper say to each other over a socket pair: one message each way at a time, whole or not at
// all. The helper has the rights that the daemon gave up, so it believes nothing that it is told: qe_kernel_check.
#ifndef QE_REALIO_KERNEL_MESSAGE_H
#define QE_REALIO_KERNEL_MESSAGE_H

#include "base/addr.h"
#include "node/action.h"
#include "node/event.h"

#include <stddef.h>
#include <stdint.h>

// Prefixes of one message. More are refused.
#define QE_KERNEL_PREFIXES_MAX 4096
#define QE_KERNEL_TEXT_SIZE    384
// Addresses of a name.
#define QE_KERNEL_RESOLVED_MAX 16

enum qe_kernel_kind {
    QE_KERNEL_TUN = 1, // text: the TUN's name, number: its index, list: its addresses. No answer
    // list: networks of the underlay within the overlay's, which are reached without it. No answer
    QE_KERNEL_BESIDE,
    QE_KERNEL_NOTIFY, // text: a line for the user's command. No answer
    // Requests, each answered by QE_KERNEL_RESULT. The list is the whole of what is to be.
    QE_KERNEL_ADDRESSES,
    QE_KERNEL_ROUTES,
    QE_KERNEL_FORWARD, // flag: masquerade
    QE_KERNEL_DNS,     // text: the domain, addr: the server; family 0: none
    QE_KERNEL_RESOLVE, // text: the name
    QE_KERNEL_SOCKET,  // addr: what to bind, number: the node's ID for it, flag: of the underlay. The answer brings it
    // number: the interface, addr: the port, seconds: for how long, text: the nonce. The answer has addr and seconds
    QE_KERNEL_MAP_PORT,
    QE_KERNEL_REQUESTS_END,
    // From the helper.
    QE_KERNEL_RESULT, // code; text: why not; list: RESOLVE's addresses; number and addr as in SOCKET
    QE_KERNEL_LOG,    // number: the level; text: the line
};

struct qe_kernel_message {
    enum qe_kernel_kind kind;
    enum qe_result_code code;
    uint64_t request;
    uint32_t number;
    uint32_t count;
    uint32_t seconds;
    struct qe_addr addr;
    bool flag;
    char text[QE_KERNEL_TEXT_SIZE];
    struct qe_cidr list[QE_KERNEL_PREFIXES_MAX]; // `count` of them; no more are sent
};

// Bytes of a message with that many prefixes.
static inline size_t qe_kernel_size(size_t count)
{
    return offsetof(struct qe_kernel_message, list) + count * sizeof(struct qe_cidr);
}

// Whether the `size` bytes received are a message: whole, text ended, addresses that can be.
bool qe_kernel_check(const struct qe_kernel_message *message, size_t size);

// Sends it, with a descriptor where that is ≥ 0, without waiting. 0, or -1 with errno.
int qe_kernel_send(int socket, const struct qe_kernel_message *message, int fd);
// Receives one into `message`, and what descriptor came with it into *fd (else -1). 1; 0: the other side is gone;
// -1 with errno: EAGAIN for nothing there, EBADMSG for something that is none.
int qe_kernel_receive(int socket, struct qe_kernel_message *message, int *fd, bool wait);

#endif
