// A peer made of a QUIC endpoint alone, for saying things that a node never would: it takes a host's place in the
// world, with the host's key, and connects to a node as a client.
#ifndef QE_TESTS_BARE_H
#define QE_TESTS_BARE_H

#include "world.h"

#define BARE_QUEUE_MAX    64
#define BARE_DATAGRAM_MAX 1500

struct bare {
    struct world_host *host;
    struct qe_quic *quic;
    struct qe_conn *conn; // NULL: not dialled, or over
    bool connected;
    struct qe_conn_close why;
    struct {
        size_t size;
        uint8_t bytes[BARE_DATAGRAM_MAX];
    } queue[BARE_QUEUE_MAX]; // DATAGRAM frames to send
    size_t first, count;
    uint64_t received, closed;
    void (*on_frame)(struct bare *bare, struct qe_span frame); // a DATAGRAM frame came; NULL: it is only counted
    bool exported;
    uint8_t exporter[QE_EXPORT_SIZE];
    uint8_t heard[4096]; // of the control stream, the first of it
    size_t heard_size;
};

// Takes the place of `host`, which must not run.
void bare_init(struct bare *bare, struct world_host *host);
void bare_fini(struct bare *bare);
// 0, or -1.
int bare_dial(struct bare *bare, const struct world_host *to);
// A DATAGRAM frame with anything in it. False where the queue is full; a frame too large for the path is dropped.
bool bare_datagram(struct bare *bare, const void *bytes, size_t size);
// Bytes for the control stream.
void bare_control(struct bare *bare, const void *bytes, size_t size);

#endif
